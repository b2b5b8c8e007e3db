"""Maps a file as code 60,000 times, and from then on always another one; how often every five seconds."""

import ctypes
import itertools
import mmap
import os
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
CODE = mmap.PROT_READ | mmap.PROT_EXEC


def map_as_code(descriptor):
    at = libc.mmap(None, 4096, CODE, mmap.MAP_PRIVATE, descriptor, 0)
    if at == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    return at


path = os.path.join(sys.argv[1], "mapped")
descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
os.write(descriptor, b"\0" * 4096)
for _ in range(60_000):
    map_as_code(descriptor)
print(60_000, flush=True)
begun = time.monotonic()
for count in itertools.count():
    # Another version of it, which nobody has looked at.
    os.pwrite(descriptor, b"x" * (count % 4000 + 1), 0)
    os.truncate(descriptor, 4096 + count % 1000)
    libc.munmap(map_as_code(descriptor), 4096)
    if time.monotonic() - begun > 5:
        print(count, flush=True)
        begun = time.monotonic()

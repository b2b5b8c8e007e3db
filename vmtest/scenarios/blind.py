"""Sends what looks like TLS, and what does not, to a port of this machine; prints a line a case: its name and what came of each send.

Usage: blind.py PORT FOLDER
"""

import errno
import mmap
import os
import socket
import sys

PORT, FOLDER = int(sys.argv[1]), sys.argv[2]
HELLO = bytes([22, 3, 1, 0, 4, 1, 0, 0, 0])
CHANGE = bytes([20, 3, 3, 0, 1, 1])


def data(count):
    """A record of application data (RFC 8446, 5.1)."""
    return bytes([23, 3, 3]) + count.to_bytes(2, "big") + bytes(count)


def whole(payload):
    return lambda connection: connection.sendall(payload)


def parts(*payloads):
    return lambda connection: connection.sendmsg(payloads)


def not_resident(payload):
    """From a mapped file of which no page was touched."""

    def send(connection):
        path = os.path.join(FOLDER, "mapped")
        with open(path, "wb") as file:
            file.write(payload)
            os.fsync(file.fileno())
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            mapped.madvise(mmap.MADV_DONTNEED)
            connection.sendall(mapped)

    return send


def from_file(payload):
    def send(connection):
        path = os.path.join(FOLDER, "file")
        with open(path, "wb") as file:
            file.write(payload)
        with open(path, "rb") as file:
            os.sendfile(connection.fileno(), file.fileno(), 0, len(payload))

    return send


CASES = {
    "handshake": [whole(HELLO), whole(CHANGE + data(69))],
    "handshake-in-parts": [whole(HELLO), parts(CHANGE, data(69))],
    "data": [whole(HELLO), whole(data(1000)), whole(data(1))],
    "little-by-little": [whole(HELLO), whole(data(60)), whole(data(60))],
    "ended-twice": [whole(HELLO), whole(data(10)), whole(data(10))],
    "with-the-handshake": [whole(HELLO + data(500))],
    "in-parts": [whole(HELLO), parts(CHANGE, data(500))],
    "header-in-parts": [whole(HELLO), parts(data(500)[:3], data(500)[3:])],
    "no-records-any-more": [whole(HELLO), whole(b"GET / HTTP/1.1\r\n\r\n")],
    "behind-a-proxy": [whole(b"CONNECT example.com:443 HTTP/1.1\r\n\r\n"), whole(HELLO), whole(data(500))],
    "without-a-handshake": [whole(data(500))],
    "not-resident": [whole(HELLO), not_resident(data(500))],
    "behind-empty-parts": [whole(HELLO), parts(*[b""] * 1000, data(500))],
    "at-first-behind-empty-parts": [parts(*[b""] * 1000, data(500))],
    "plain-and-short": [whole(b"x"), whole(b""), parts(b"", b"y")],
    "plain": [whole(b"x" * 100_000), parts(b"y" * 10, b"z" * 100_000)],
    "plain-not-resident": [not_resident(b"x" * 100_000)],
    "plain-from-a-file": [from_file(b"x" * 100_000)],
    "from-a-file": [whole(HELLO), from_file(data(500))],
}

for name, sends in CASES.items():
    outcomes = []
    with socket.create_connection(("127.0.0.1", PORT)) as connection:
        for send in sends:
            try:
                send(connection)
                outcomes.append("sent")
            except OSError as error:
                outcomes.append(errno.errorcode[error.errno])
    print(name, *outcomes, flush=True)

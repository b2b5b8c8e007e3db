#!/usr/bin/env python3
"""What a coding agent does all day, one thing it has to ask for, and three it should not get away with."""

import http.server
import os
import pathlib
import socket
import subprocess
import sys
import threading


def attempt(what, action):
    try:
        print(f"  ok      {what}: {action()}")
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"  DENIED  {what}: {error}")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1]


def serve_once():
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.handle_request, daemon=True).start()
    return server.server_port


def fetch(host, port):
    with socket.create_connection((host, port), timeout=3) as connection:
        connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
        return connection.recv(64).split(b"\r\n")[0].decode()


def main():
    home, work = pathlib.Path.home(), pathlib.Path.cwd()
    print("work:")
    attempt("write a file", lambda: (work / "hello.c").write_text('#include <stdio.h>\nint main(void){puts("built and run");}\n'))
    attempt("compile it", lambda: run("sh", "-c", "gcc -o hello hello.c && echo compiled"))
    attempt("run the result", lambda: run("./hello"))
    attempt("commit it", lambda: run("sh", "-c", "git add hello.c && git commit -q -m 'Say hello' && git log --oneline"))
    attempt("read a system file", lambda: pathlib.Path("/etc/hostname").read_text().strip())
    attempt("talk to a server", lambda: fetch("127.0.0.1", serve_once()))
    print("what it asks a person about:")
    attempt("publish the work", lambda: run("git", "push", "--porcelain", "origin", "HEAD:refs/heads/main"))
    print("and what it should not do:")
    attempt("read a private key", lambda: (home / ".ssh/id_ed25519").read_text())
    attempt("become root", lambda: run("sudo", "id"))
    attempt("fetch cloud credentials", lambda: fetch("169.254.169.254", 80))
    return 0 if os.path.exists("hello") else 1


sys.exit(main())

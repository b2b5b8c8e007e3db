# Three connections of one process, of which one is to send what must not leave. The others go on as if nothing was.
import socket, ssl, sys
from urllib.parse import urlsplit

url = urlsplit(sys.argv[1])
leak, clean = (open(name, "rb").read() for name in sys.argv[2:4])


def connect():
    plain = socket.create_connection((url.hostname, url.port))
    return ssl._create_unverified_context().wrap_socket(plain, server_hostname=url.hostname)


def post(connection, body):
    head = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    answer = b""
    while not answer.endswith(b"x" * 14):
        piece = connection.recv(65536)
        assert piece, answer[:100]
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200"), answer[:100]


def fails(connection, body):
    try:
        post(connection, body)
    except PermissionError as error:
        return print("denied:", error)
    sys.exit("it was sent")


first = connect()
post(first, clean)
second = connect()
fails(second, leak)
fails(second, clean)
post(first, clean)
post(connect(), clean)
# Known by now over which socket it goes.
fails(first, leak)
fails(first, clean)
post(connect(), clean)
print("all as it should be")

"""A client of OpenSSL's BIO_f_ssl, which calls neither SSL_write nor SSL_read: https://docs.openssl.org/3.0/man3/BIO_f_ssl/"""
import ctypes, ctypes.util, sys, urllib.parse

url, body, asked = urllib.parse.urlsplit(sys.argv[1]), open(sys.argv[2], "rb").read(), int(sys.argv[3])
ssl, crypto = (ctypes.CDLL(ctypes.util.find_library(name)) for name in ("ssl", "crypto"))
for function in (ssl.TLS_client_method, ssl.SSL_CTX_new, ssl.BIO_new_ssl_connect):
    function.restype = ctypes.c_void_p
BIO_C_SET_CONNECT, HOST_AND_PORT = 100, 0
context = ssl.SSL_CTX_new(ctypes.c_void_p(ssl.TLS_client_method()))
bio = ctypes.c_void_p(ssl.BIO_new_ssl_connect(ctypes.c_void_p(context)))
crypto.BIO_ctrl(bio, BIO_C_SET_CONNECT, ctypes.c_long(HOST_AND_PORT), url.netloc.encode())

head = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nX-Answer: {asked}\r\nContent-Length: {len(body)}\r\n\r\n"
left = head.encode() + body
while left:
    written = crypto.BIO_write(bio, left, len(left))
    assert written > 0, written
    left = left[written:]
answer, buffer = b"", ctypes.create_string_buffer(65536)
while answer.count(b"\r\n\r\n") == 0 or len(answer.split(b"\r\n\r\n", 1)[1]) < asked:
    read = crypto.BIO_read(bio, buffer, len(buffer))
    assert read > 0, read
    answer += buffer.raw[:read]
crypto.BIO_free_all(bio)

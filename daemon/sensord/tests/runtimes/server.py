"""A server over TLS at an address (127.0.0.1) and a port of the kernel's choice, which it prints: keeps what is posted in the file `received`, answers with what, or as many bytes as, it is asked for."""
import http.server, ssl, sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        with open("received", "ab", buffering=0) as received:
            received.write(str(self.headers).encode())
            if self.headers.get("transfer-encoding") == "chunked":
                while size := int(self.rfile.readline() or b"0", 16):
                    received.write(self.rfile.read(size + 2))
                self.rfile.readline()
            left = int(self.headers.get("content-length", 0))
            while left:
                piece = self.rfile.read1(min(left, 65536))
                if not piece:
                    return
                received.write(piece)
                left -= len(piece)
        body = self.headers.get("x-reply", "x" * int(self.headers.get("x-answer", 14))).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_DELETE = do_POST

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer((sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1", 0), Handler)
server.handle_error = lambda *_: None
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_address[1], flush=True)
server.serve_forever()

#!/usr/bin/env python3
"""A server that answers as a model's provider does (Messages API of Anthropic, streamed), and at /mcp as one of tools (MCP), once it has a key
and a certificate.

Usage: model.py KEY.pem CERT.pem RECEIVED. It says at which port it is; what arrives is appended to the file RECEIVED.
"""

import http.server
import json
import ssl
import sys


def blocks(request):
    """What it says to a request: a tool to be called first, then a sentence."""
    told = [part for message in request["messages"] for part in message["content"] if part["type"] == "tool_result"]
    if told:
        return 31, "text_delta", {"type": "text", "text": ""}, {"text": "The disk of the build machine is full."}
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    return 58, "input_json_delta", call, {"partial_json": json.dumps({"command": "cat deploy.log"})}


def events(request, size):
    output, kind, block, delta = blocks(request)
    usage = {"input_tokens": size // 4, "cache_read_input_tokens": 0, "output_tokens": 1}
    yield {"type": "message_start", "message": {"id": "msg_1", "model": request["model"], "usage": usage}}
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **delta}}
    yield {"type": "content_block_stop", "index": 0}
    stop = "tool_use" if block["type"] == "tool_use" else "end_turn"
    yield {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": output}}
    yield {"type": "message_stop"}


class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        size = int(self.headers["content-length"])
        body = self.read(size)
        if len(body) < size:
            self.close_connection = True
            return
        if self.path == "/mcp":
            return self.answer_call(json.loads(body))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events(json.loads(body), size):
            text = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.write(b"0\r\n\r\n")

    def answer_call(self, message):
        params = message["params"]
        text = f"{params['name']} has done {len(params['arguments']['ids'])} of them"
        result = {"content": [{"type": "text", "text": text}], "isError": False}
        answer = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def read(self, size):
        """The body, or as much of it as comes."""
        body = b""
        with open(sys.argv[3], "ab") as received:
            while len(body) < size:
                try:
                    part = self.rfile.read1(size - len(body))
                except ConnectionError:
                    break
                if not part:
                    break
                received.write(part)
                body += part
        return body

    def log_message(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[1])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()


main()

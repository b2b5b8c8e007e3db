"""Asks a server over TLS so often, on one connection, and prints the milliseconds that an exchange took.

Usage: exchanges.py PORT COUNT [PROXY_PORT]
"""

import http.client
import json
import ssl
import sys
import time

PORT, COUNT = int(sys.argv[1]), int(sys.argv[2])
REQUEST = json.dumps({"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "w" * 2000}]})

trusts_all = ssl._create_unverified_context()
if len(sys.argv) > 3:
    connection = http.client.HTTPSConnection("127.0.0.1", int(sys.argv[3]), context=trusts_all)
    connection.set_tunnel("localhost", PORT)
else:
    connection = http.client.HTTPSConnection("localhost", PORT, context=trusts_all)
began = 0
for number in range(COUNT + 20):
    if number == 20:
        began = time.monotonic()
    connection.request("POST", "/v1/messages", REQUEST, {"x-answer": "4000"})
    connection.getresponse().read()
print(f"{(time.monotonic() - began) * 1000 / COUNT:.3f}")

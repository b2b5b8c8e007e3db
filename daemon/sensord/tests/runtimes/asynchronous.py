# TLS over memory: asyncio encrypts into a buffer and writes that itself.
import asyncio, ssl, sys
from urllib.parse import urlsplit

url, body, asked = urlsplit(sys.argv[1]), open(sys.argv[2], "rb").read(), int(sys.argv[3])


async def main():
    context = ssl._create_unverified_context()
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=context)
    head = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {len(body)}\r\nX-Answer: {asked}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    writer.write(body)
    await writer.drain()
    answer = await reader.read()
    assert answer.endswith(b"x" * asked), answer[:100]
    writer.close()


asyncio.run(main())

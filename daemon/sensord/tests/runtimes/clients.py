"""One POST by a library of PyPI, with its answer read whole: clients.py LIBRARY URL BODY ASKED."""
import asyncio
import sys
import warnings

library, url, path, asked = sys.argv[1:]
body, headers = open(path, "rb").read(), {"x-answer": asked}
warnings.simplefilter("ignore")


def by_requests():
    import requests

    return requests.post(url, data=body, headers=headers, verify=False)


def by_httpx():
    import httpx

    return httpx.post(url, content=body, headers=headers, verify=False)


async def by_httpx_async():
    import httpx

    async with httpx.AsyncClient(verify=False) as client:
        return await client.post(url, content=body, headers=headers)


class Read:
    def __init__(self, content):
        self.content = content


async def by_aiohttp():
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.post(url, data=body, headers=headers, ssl=False) as answer:
            return Read(await answer.read())


def by_uvloop():
    import uvloop

    return uvloop.run(by_aiohttp())


client = globals()["by_" + library]
answer = asyncio.run(client()) if asyncio.iscoroutinefunction(client) else client()
assert len(answer.content) == int(asked), len(answer.content)

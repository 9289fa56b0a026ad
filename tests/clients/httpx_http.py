"""Ask with httpx as services do, and say whether each answer is right."""  # noqa: INP001

# mypy: ignore-errors
import asyncio
import json
import sys
import time

import httpx

url, rows, rest = sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3])
headers = {"Content-Type": "application/json"}


async def ask():
    limits = httpx.Limits(max_connections=4, max_keepalive_connections=4)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:
        answers = [client.post(url, content=body, headers=headers) for body, _ in rows]
        for (_, expected), answer in zip(rows, await asyncio.gather(*answers), strict=True):
            assert answer.text == expected


with httpx.Client(timeout=60) as client:
    for body, expected in rows:
        assert client.post(url, content=body, headers=headers).text == expected
    asyncio.run(ask())
    time.sleep(rest)
    for body, expected in rows:
        assert client.post(url, content=body, headers=headers).text == expected
print("right")

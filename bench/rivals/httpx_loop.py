"""The floor of a walk: an httpx loop that fetches every page of every marketplace and discards it.

    python -m bench.rivals.httpx_loop URL CONCURRENCY

The key is in BENCH_KEY.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

import httpx


def main() -> None:
    """Print the seconds and the rows."""
    began = time.perf_counter()
    rows = asyncio.run(_fetch_all_pages(sys.argv[1], int(sys.argv[2])))
    print(json.dumps({"seconds": time.perf_counter() - began, "rows": rows}))


async def _fetch_all_pages(url: str, concurrency: int) -> int:
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    headers = {"Authorization": f"Bearer {os.environ['BENCH_KEY']}", "Accept-Encoding": "gzip"}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=60) as client:
        semaphore = asyncio.Semaphore(concurrency)

        async def fetch_page(provider: str, offset: int) -> httpx.Response:
            async with semaphore:
                return await client.get("/v1/prices", params={"providers": provider, "offset": offset})

        async def fetch_listing(provider: str) -> int:
            pagination = (await fetch_page(provider, 0)).json()["pagination"]
            offsets = range(pagination["limit"], pagination["total"], pagination["limit"])
            await asyncio.gather(*(fetch_page(provider, offset) for offset in offsets))
            return int(pagination["total"])

        providers = (await client.get("/v1/providers")).json().values()
        return sum(await asyncio.gather(*(fetch_listing(provider["key"]) for provider in providers)))


if __name__ == "__main__":
    main()

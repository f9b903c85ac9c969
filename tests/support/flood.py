"""One process that asks a source as fast as its budget allows; tests start several."""

import asyncio
import sys
import time
from pathlib import Path

from common.clock import SystemClock
from common.errors import QuotaExhausted
from connectors.base import Connector
from connectors.http.auth import Key
from pipelines.config import Cs2capSettings
from pipelines.sources import build_connector
from sandbox.cs2cap.keys import VALID_KEY


async def flood(url: str, state: Path, seconds: float) -> int:
    """Ask for that long, or until the month is used up, eight requests at once; how many were answered."""
    settings = Cs2capSettings(base_url=url)
    source = build_connector("cs2cap", settings, Key(VALID_KEY), SystemClock(), state=state)
    ends = time.monotonic() + seconds
    try:
        await source.account()
        return sum(await asyncio.gather(*(_ask(source, ends) for _ in range(settings.concurrency))))
    finally:
        await source.aclose()


async def _ask(source: Connector, ends: float) -> int:
    answered = 0
    while time.monotonic() < ends:
        try:
            async with asyncio.timeout(ends - time.monotonic()):
                await source.fx()
        except (TimeoutError, QuotaExhausted):
            break
        answered += 1
    return answered


if __name__ == "__main__":
    print(asyncio.run(flood(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))))  # noqa: T201

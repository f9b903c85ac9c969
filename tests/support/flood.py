"""A process that sends requests as fast as its rate limit allows; tests start several of them."""

import asyncio
import sys
import time
from pathlib import Path

from common.clock import SystemClock
from common.errors import QuotaExhausted
from connectors.base import Connector
from connectors.http.auth import Key
from pipelines.config import Cs2capSettings
from pipelines.sources import build_connector, shared_ledger
from sandbox.cs2cap.keys import VALID_KEY


async def flood(url: str, state: Path, seconds: float) -> int:
    """Send requests for `seconds` or until the month is used up; return the number of responses."""
    settings = Cs2capSettings(base_url=url)
    key = Key(VALID_KEY)
    ledger = shared_ledger(state, key, "cs2cap")
    connector = build_connector("cs2cap", settings, key, SystemClock(), ledger=ledger)
    ends_at = time.monotonic() + seconds
    try:
        await connector.account()
        workers = (_send_requests(connector, ends_at) for _ in range(settings.concurrency))
        return sum(await asyncio.gather(*workers))
    finally:
        await connector.aclose()


async def _send_requests(connector: Connector, ends_at: float) -> int:
    responses = 0
    while time.monotonic() < ends_at:
        try:
            async with asyncio.timeout(ends_at - time.monotonic()):
                await connector.fx()
        except (TimeoutError, QuotaExhausted):
            break
        responses += 1
    return responses


if __name__ == "__main__":
    print(asyncio.run(flood(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))))  # noqa: T201

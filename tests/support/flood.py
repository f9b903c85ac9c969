"""A process that sends requests as fast as its rate limit allows; tests start several of them."""

import asyncio
import sys
import time
from datetime import datetime, timedelta

from common.clock import SystemClock
from common.errors import QuotaExhausted
from connectors.base import Connector
from connectors.http.auth import Key
from pipelines.config import Cs2capSettings
from pipelines.sources import build_connector, shared_ledger
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.states import paths_of_process
from warehouse.paths import WarehousePaths


class SkewedClock(SystemClock):
    """The clock of a machine that runs so many seconds ahead, and was started so much earlier."""

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        """Return the machine's time, UTC."""
        return super().now() + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        """Return the seconds since the machine was started."""
        return super().monotonic() + self._ahead


async def flood(
    url: str, paths: WarehousePaths, seconds: float, *, ahead: float = 0.0, concurrency: int = 8
) -> int:
    """Send requests for `seconds` or until the month is used up; return the number of responses.

    The clock of this process is so many seconds `ahead`; `concurrency` requests are under way at once.
    """
    settings = Cs2capSettings(base_url=url, concurrency=concurrency)
    key = Key(VALID_KEY)
    ledger = shared_ledger(paths, key, "cs2cap")
    connector = build_connector("cs2cap", settings, key, SkewedClock(ahead), ledger=ledger)
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
    _, _, address, duration, lead, *most = sys.argv
    options = {"concurrency": int(most[0])} if most else {}
    print(asyncio.run(flood(address, paths_of_process(), float(duration), ahead=float(lead), **options)))  # noqa: T201

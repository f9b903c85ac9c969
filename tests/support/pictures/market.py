"""A market for pictures: a week of snapshots and backfills of the sandbox, with a bad night in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pipelines.backfill.request import BackfillRequest
from pipelines.watches.alerting import check_watches
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.market.providers import KEYS
from sandbox.options import Options
from sandbox.server import serve
from tests.support.backfills import run_backfill
from tests.support.clocks import SandboxClock
from tests.support.snapshots import REDLINE, Bench, basket, catalog_of

START: Final = datetime(2026, 11, 20, 6, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
# The hours after START of the snapshots: of the market every eight hours, later of the knives every hour.
EVERY: Final = 8
KNIVES: Final = 128
HOURS: Final = (*range(0, KNIVES, EVERY), *(hour for hour in range(KNIVES, 161) if not 137 <= hour <= 143))
FAILED: Final = 130  # the API fails at this hour
WATCHES: Final = """
[[watches]]
name = "cheap-case"
query = "SELECT item, provider, price FROM best_ask WHERE item LIKE '%Case' AND price < 0.5"
[[watches]]
name = "dear-sapphire"
item = "★ Karambit | Doppler (Factory New)"
phase = "Sapphire"
above = 1
"""


@contextmanager
def publish_picture_market(folder: Path) -> Iterator[Bench]:
    """Yield the project of the market."""
    with serve(Options(items=300, frozen=START, refresh=60, moving=0.06, tier="pro")) as box:
        bench = Bench.at(
            folder, box,
            catalog_of(*KEYS, name="market", every="8h", currencies=["USD", "EUR"]),
            basket("knives", items=["★*"], providers=["buff163", "csfloat", "steam"], every="1h"),
            source={"tier": "pro"},
        )  # fmt: skip
        bench.config.write_text(bench.config.read_text("utf-8") + WATCHES, "utf-8")
        key = box.key(VALID_KEY)
        # The clock stands still during a snapshot: a minute would never pass.
        key.tier = key.tier._replace(minute=100_000)
        box.keys.set_remaining(VALID_KEY, 310_000, box.clock.now())
        for hour in HOURS:
            _take_snapshot(bench, box, hour)
        week = box.clock.now() - timedelta(days=7)
        candles = BackfillRequest(series="candles", items=(REDLINE,), start=week, interval="1h")
        run_backfill(bench, box, candles)
        run_backfill(bench, box, BackfillRequest(series="sales", items=(REDLINE,), start=week))
        check_watches(bench.settings, None, SandboxClock(box))
        yield bench


def _take_snapshot(bench: Bench, box: Sandbox, hour: int) -> None:
    box.advance((START + hour * HOUR - box.clock.now()).total_seconds())
    names = [*(["market"] if hour % EVERY == 0 else []), *(["knives"] if hour >= KNIVES else [])]
    if hour == FAILED:
        box.fault("refused", status=400, code="BAD_REQUEST", times=1)
    bench.snapshot(*names, clock=SandboxClock(box))

"""The clock of this machine jumps by a day, forwards or backwards, between runs or in the middle of one.

Every run ends in the usual time, and after the next one with a right clock everything is as it would be.
All cases are guards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from common.errors import OnHold
from common.sqlite_state import SqliteState
from connectors.ratelimit.ledger import RequestLedger
from connectors.ratelimit.limiter import RateLimiter
from pipelines.alerts.silence import check_silence
from pipelines.backfill.pipeline import BackfillPipeline
from sandbox.core import Sandbox
from tests.support.backfills import DAY, loaded_points, points_request
from tests.support.clocks import NOON, SynchronizedClock
from tests.support.relay import Edit, Relay, relay_to
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, catalog_of, ledger

pytestmark = pytest.mark.usefixtures("no_prefect")
ACCOUNT, PRICES, HISTORY = "/v1/account/key", "/v1/prices", "/v1/prices/history"
INTERVAL = timedelta(minutes=10)
JUMPS = [DAY, -DAY]
OPEN = "SELECT count(*) FROM quotes WHERE NOT fresh"


class JumpingClock(SynchronizedClock):
    """A clock whose wall time is `jump` off; the monotonic time and the sandbox do not jump."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.box = sandbox
        self.jump = timedelta()

    def now(self) -> datetime:
        """Return the wrong time, UTC."""
        return super().now() + self.jump

    def pass_time(self, time: timedelta) -> None:
        """Let time pass for this machine and for the sandbox."""
        self.time += time.total_seconds()
        self.box.advance(time.total_seconds())


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(tier="pro", limits=True)


@pytest.fixture
def relay(box: Sandbox) -> Iterator[Relay]:
    with relay_to(box.url) as relay:
        yield relay


@pytest.fixture
def clock(box: Sandbox) -> JumpingClock:
    return JumpingClock(box)


@pytest.fixture
def bench(tmp_path: Path, relay: Relay) -> Bench:
    return Bench.create(tmp_path, {"cs2cap": relay.url}, catalog_of("steam", "csfloat"))


def jump_in(clock: JumpingClock, jump: timedelta) -> Edit:
    def edit(body: bytes) -> bytes:
        clock.jump = jump
        return body

    return edit


def take(bench: Bench, clock: JumpingClock) -> None:
    (result,) = bench.snapshot(clock=clock)
    assert (result.state, result.exit_code) == ("done", 0), result.incomplete_reason
    clock.pass_time(INTERVAL)


@pytest.mark.slow
@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("when", [None, ACCOUNT, PRICES], ids=["between runs", "at the start", "at a page"])
def test_jump_costs_nothing_once_the_clock_is_right(
    bench: Bench, relay: Relay, clock: JumpingClock, box: Sandbox, jump: timedelta, when: str | None
) -> None:
    take(bench, clock)
    quotes = bench.quotes()
    if when is None:
        clock.jump = jump
    else:
        relay.edits[when] = jump_in(clock, jump)
    for _ in range(2):
        take(bench, clock)
        assert bench.quotes() == quotes
    relay.edits.clear()
    clock.jump = timedelta()
    for _ in range(2):
        take(bench, clock)
    assert bench.quotes() == quotes == ledger(box, ("steam", "csfloat"))
    assert bench.query(OPEN) == [(0,)]
    assert bench.query("SELECT count(*) FROM quote_history WHERE price IS NULL") == [(0,)]
    assert bench.alerts() == []
    check_silence(bench.settings, clock.now())
    assert bench.alerts() == []
    clock.pass_time(4 * INTERVAL)
    check_silence(bench.settings, clock.now())
    assert [alert.cause for alert in bench.alerts()] == ["silence"], "silence is still noticed"


@pytest.mark.slow
@pytest.mark.parametrize("jump", JUMPS)
def test_jump_in_a_backfill(tmp_path: Path, relay: Relay, clock: JumpingClock, jump: timedelta) -> None:
    bench = Bench.create(tmp_path, {"cs2cap": relay.url}, source={"tier": "pro"})
    request = points_request(1, 2, days=5, end=NOON - DAY)
    relay.edits[HISTORY] = jump_in(clock, jump)
    result = asyncio.run(BackfillPipeline(bench.settings, request, clock).run())
    assert (result.state, result.shards_broken) == ("done", 0)
    clock.jump = timedelta()
    before, points = relay.count(HISTORY), loaded_points(bench)
    again = asyncio.run(BackfillPipeline(bench.settings, request, clock).run())
    assert (again.state, relay.count(HISTORY) - before) == ("done", 0)
    assert {time for _, _, time, *_ in points} <= {
        NOON - 6 * DAY + n * timedelta(minutes=5) for n in range(2000)
    }


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("shared", [False, True], ids=["in memory", "state.db"])
def test_rate_limiter_waits_by_the_monotonic_time(
    tmp_path: Path, clock: JumpingClock, jump: timedelta, shared: bool
) -> None:
    ledger = RequestLedger(SqliteState(tmp_path / "state.db"), "print", "cs2cap") if shared else None
    limiter = RateLimiter(10, clock, ledger)

    async def send(count: int) -> None:
        for _ in range(count):
            async with limiter.acquire():
                pass

    asyncio.run(send(10))
    assert clock.time == 0
    clock.jump = jump
    asyncio.run(send(10))
    assert 59 <= clock.time <= 62
    limiter.pause(30)
    clock.jump = timedelta()
    asyncio.run(send(1))
    assert 89 <= clock.time <= 124
    limiter.close()


@pytest.mark.parametrize("jump", JUMPS)
def test_hold_ends_a_day_later_at_the_latest(tmp_path: Path, clock: JumpingClock, jump: timedelta) -> None:
    limiter = RateLimiter(10, clock, RequestLedger(SqliteState(tmp_path / "state.db"), "print", "cs2cap"))
    clock.jump = jump
    until = limiter.pause(7_200)
    assert until == clock.now() + timedelta(hours=2)
    clock.jump = timedelta()

    async def is_held() -> bool:
        try:
            async with limiter.acquire():
                return False
        except OnHold:
            return True

    held = 0
    while asyncio.run(is_held()):
        held += 1
        clock.pass_time(timedelta(hours=1))
    assert held <= 27
    limiter.close()

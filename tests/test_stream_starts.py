"""How often a stream is begun: each start is counted before it is sent, and a refusal is none."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from connectors import errors
from connectors.auth import Key
from connectors.base import Outcome
from connectors.client import Client
from connectors.cs2cap import CS2Cap
from connectors.throttle import Throttle
from sandbox.core import Sandbox
from sandbox.keys import VALID_KEY
from tests.conftest import NOON
from tests.cs2cap_kit import Landing
from tests.test_stream_walk import STREAM, MakeSandbox, begun
from tests.virtual_clock import VirtualClock

ROUTE = "POST /v1/prices"


def counted(box: Sandbox, before: Callable[[Throttle], None] = lambda _: None) -> tuple[Throttle, object]:
    """A stream within a budget, and what came of it."""

    async def main() -> tuple[Throttle, object]:
        clock = VirtualClock()
        throttle = Throttle(None, clock, source="cs2cap")
        source = CS2Cap(Client("cs2cap", box.url, Key(VALID_KEY), clock, throttle=throttle))
        before(throttle)
        try:
            return throttle, await source.walk(STREAM, Landing().land)
        except errors.FloorlineError as error:
            return throttle, error
        finally:
            await source.aclose()

    return asyncio.run(main())


def test_a_start_is_counted_and_one_that_was_refused_is_not(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro", limits=True)
    box.fault("unavailable", method="POST", times=2)
    throttle, outcome = counted(box)
    assert isinstance(outcome, Outcome)
    assert throttle.streams(ROUTE) == (1, 50)
    assert begun(box) == 3


def test_without_a_start_left_nothing_is_sent(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro")

    def used_up(throttle: Throttle) -> None:
        throttle.allow_streams(ROUTE, 1)
        throttle.start_stream(ROUTE)

    throttle, error = counted(box, used_up)
    assert isinstance(error, errors.QuotaExhausted)
    assert error.resets_at == NOON + timedelta(hours=24)
    assert throttle.streams(ROUTE) == (1, 1)
    assert begun(box) == 0


def test_the_sources_own_count_is_believed_when_it_refuses(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro", limits=True)
    box.key(VALID_KEY).leave_streams(0, box.clock.now())
    throttle, error = counted(box)
    assert isinstance(error, errors.QuotaExhausted)
    assert error.resets_at is not None
    assert throttle.streams(ROUTE) == (50, 50)
    assert begun(box) == 1


def test_a_revoked_key_ends_it_at_once(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro")
    box.key(VALID_KEY, "revoked")
    _, error = counted(box)
    assert isinstance(error, errors.KeyRevoked)
    assert begun(box) == 1

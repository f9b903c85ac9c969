"""How often a stream is begun: each start is counted before it is sent, and a refusal is none."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from common import errors
from connectors.base import ExtractResult
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from connectors.ratelimit.limiter import RateLimiter
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON, VirtualClock
from tests.support.cs2cap import STREAM, Landing, count_posts
from tests.support.sandboxes import MakeSandbox

ROUTE = "POST /v1/prices"


def counted(
    box: Sandbox, before: Callable[[RateLimiter], None] = lambda _: None
) -> tuple[RateLimiter, object]:
    """A stream within a budget, and what came of it."""

    async def main() -> tuple[RateLimiter, object]:
        clock = VirtualClock()
        throttle = RateLimiter(None, clock, source="cs2cap")
        source = CS2Cap(Cs2capClient("cs2cap", box.url, Key(VALID_KEY), clock, rate_limiter=throttle))
        before(throttle)
        try:
            return throttle, await source.extract(STREAM, Landing().land)
        except errors.SourceError as error:
            return throttle, error
        finally:
            await source.aclose()

    return asyncio.run(main())


def test_a_start_is_counted_and_one_that_was_refused_is_not(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro", limits=True)
    box.fault("unavailable", method="POST", times=2)
    throttle, outcome = counted(box)
    assert isinstance(outcome, ExtractResult)
    assert throttle.stream_usage(ROUTE) == (1, 50)
    assert count_posts(box) == 3


def test_without_a_start_left_nothing_is_sent(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro")

    def used_up(throttle: RateLimiter) -> None:
        throttle.set_stream_limit(ROUTE, 1)
        throttle.claim_stream_start(ROUTE)

    throttle, error = counted(box, used_up)
    assert isinstance(error, errors.QuotaExhausted)
    assert error.resets_at == NOON + timedelta(hours=24)
    assert throttle.stream_usage(ROUTE) == (1, 1)
    assert count_posts(box) == 0


def test_the_sources_own_count_is_believed_when_it_refuses(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro", limits=True)
    box.key(VALID_KEY).set_streams_left(0, box.clock.now())
    throttle, error = counted(box)
    assert isinstance(error, errors.QuotaExhausted)
    assert error.resets_at is not None
    assert throttle.stream_usage(ROUTE) == (50, 50)
    assert count_posts(box) == 1


def test_a_revoked_key_ends_it_at_once(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro")
    box.key(VALID_KEY, "revoked")
    _, error = counted(box)
    assert isinstance(error, errors.KeyRevoked)
    assert count_posts(box) == 1

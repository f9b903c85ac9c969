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


def extract_stream(
    box: Sandbox, prepare: Callable[[RateLimiter], None] = lambda _: None
) -> tuple[tuple[int, int | None], object]:
    """Extract one stream; return the stream starts and their limit, and the result or the error."""

    async def main() -> tuple[tuple[int, int | None], object]:
        clock = VirtualClock()
        rate_limiter = RateLimiter(None, clock, source="cs2cap")
        source = CS2Cap(Cs2capClient("cs2cap", box.url, Key(VALID_KEY), clock, rate_limiter=rate_limiter))
        prepare(rate_limiter)
        outcome: object
        try:
            outcome = await source.extract(STREAM, Landing().land)
        except errors.SourceError as error:
            outcome = error
        usage = rate_limiter.stream_usage(ROUTE)
        await source.aclose()
        return usage, outcome

    return asyncio.run(main())


def test_a_start_is_counted_and_one_that_was_refused_is_not(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro", limits=True)
    box.fault("unavailable", method="POST", times=2)
    usage, outcome = extract_stream(box)
    assert isinstance(outcome, ExtractResult)
    assert usage == (1, 50)
    assert count_posts(box) == 3


def test_without_a_start_left_nothing_is_sent(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro")

    def use_up_starts(rate_limiter: RateLimiter) -> None:
        rate_limiter.set_stream_limit(ROUTE, 1)
        rate_limiter.claim_stream_start(ROUTE)

    usage, error = extract_stream(box, use_up_starts)
    assert isinstance(error, errors.QuotaExhausted)
    assert error.resets_at == NOON + timedelta(hours=24)
    assert usage == (1, 1)
    assert count_posts(box) == 0


def test_the_sources_own_count_is_believed_when_it_refuses(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro", limits=True)
    box.key(VALID_KEY).set_streams_left(0, box.clock.now())
    usage, error = extract_stream(box)
    assert isinstance(error, errors.QuotaExhausted)
    assert error.resets_at is not None
    assert usage == (50, 50)
    assert count_posts(box) == 1


def test_a_revoked_key_ends_it_at_once(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro")
    box.key(VALID_KEY, "revoked")
    _, error = extract_stream(box)
    assert isinstance(error, errors.KeyRevoked)
    assert count_posts(box) == 1

"""Stream starts are counted before the request is sent; a rejected request does not count."""

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
from tests.support.cs2cap import STREAM, PageCollector, count_posts
from tests.support.sandboxes import MakeSandbox

ROUTE = "POST /v1/prices"


def extract_stream(
    sandbox: Sandbox, prepare: Callable[[RateLimiter], None] = lambda _: None
) -> tuple[tuple[int, int | None], object]:
    """Extract one stream; return the stream starts and their limit, and the result or the error."""

    async def main() -> tuple[tuple[int, int | None], object]:
        clock = VirtualClock()
        rate_limiter = RateLimiter(None, clock, source="cs2cap")
        connector = CS2Cap(
            Cs2capClient("cs2cap", sandbox.url, Key(VALID_KEY), clock=clock, rate_limiter=rate_limiter)
        )
        prepare(rate_limiter)
        result: object
        try:
            result = await connector.extract(STREAM, PageCollector())
        except errors.SourceError as error:
            result = error
        usage = rate_limiter.stream_usage(ROUTE)
        await connector.aclose()
        return usage, result

    return asyncio.run(main())


def test_only_accepted_starts_are_counted(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="pro", limits=True)
    sandbox.fault("unavailable", method="POST", times=2)
    usage, result = extract_stream(sandbox)
    assert isinstance(result, ExtractResult)
    assert usage == (1, 50)
    assert count_posts(sandbox) == 3


def test_no_request_is_sent_without_a_start_left(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="pro")

    def use_up_starts(rate_limiter: RateLimiter) -> None:
        rate_limiter.set_stream_limit(ROUTE, 1)
        rate_limiter.claim_stream_start(ROUTE)

    usage, error = extract_stream(sandbox, use_up_starts)
    assert isinstance(error, errors.QuotaExhausted)
    assert error.resets_at == NOON + timedelta(hours=24)
    assert usage == (1, 1)
    assert count_posts(sandbox) == 0


def test_count_of_the_source_applies_when_it_rejects(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="pro", limits=True)
    sandbox.key(VALID_KEY).set_streams_left(0, sandbox.clock.now())
    usage, error = extract_stream(sandbox)
    assert isinstance(error, errors.QuotaExhausted)
    assert error.resets_at is not None
    assert usage == (50, 50)
    assert count_posts(sandbox) == 1


def test_revoked_key_is_not_retried(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="pro")
    sandbox.key(VALID_KEY, "revoked")
    _, error = extract_stream(sandbox)
    assert isinstance(error, errors.KeyRevoked)
    assert count_posts(sandbox) == 1

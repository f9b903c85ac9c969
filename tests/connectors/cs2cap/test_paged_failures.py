"""What goes wrong during a walk of the CS2Cap connector: made good without a trace, or said, and stopped."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from common import errors
from common.clock import SystemClock
from common.shards import Item
from connectors.base import ExtractResult
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from connectors.http.retry import RetryPolicy
from connectors.pages import PageBuilder, PageSink
from connectors.pagination import PageInfo
from connectors.ratelimit.limiter import RateLimiter
from connectors.shards import Shard
from connectors.tiers import limits_for
from pipelines.planning.model import CatalogSizes, SnapshotRequest
from pipelines.planning.snapshot_planner import plan_snapshot
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.cs2cap import PROVIDERS, STEAM, Landing, as_ledger, ledger, use, walk
from tests.support.http_servers import answer as response
from tests.support.http_servers import canned
from tests.support.sandboxes import MakeSandbox


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "rate_limited", "retry_after": 30},
        {"kind": "status_500"},
        {"kind": "unavailable"},
        {"kind": "unavailable", "coded": False},
        {"kind": "drop"},
        {"kind": "truncate"},
        {"kind": "html"},
        {"kind": "unknown_total", "times": None},
        {"kind": "new_field", "name": "new", "value": 1, "times": None},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
@pytest.mark.parametrize("after", [0, 3])
def test_what_passes_leaves_no_trace(sandbox: Sandbox, fault: dict[str, object], after: int) -> None:
    sandbox.fault(**{"times": 3, "after": after if fault["kind"] != "unknown_total" else 0, **fault})  # type: ignore[arg-type]
    landing, outcome = walk(sandbox.url, STEAM)
    assert isinstance(outcome, ExtractResult)
    assert as_ledger(landing.rows) == ledger(sandbox, STEAM)


@pytest.mark.parametrize("kind", ["rows_appear", "rows_vanish"])
@pytest.mark.parametrize("after", [1, 4, 8])
@pytest.mark.parametrize("n", [1, 9])
def test_drift_is_reconciled(sandbox: Sandbox, kind: str, after: int, n: int) -> None:
    sandbox.set_provider_dark("skinport")
    shard = replace(STEAM, providers=("csfloat",))
    sandbox.vanish(40, provider="csfloat")
    sandbox.fault(kind, after=after, n=n, match={"providers": "csfloat"})
    landing, outcome = walk(sandbox.url, shard)
    assert isinstance(outcome, ExtractResult)
    assert as_ledger(landing.rows) == ledger(sandbox, shard)
    assert outcome.rows == len(landing.rows)


def test_a_broken_row_is_rejected_and_the_others_come(sandbox: Sandbox) -> None:
    sandbox.fault("broken_row", field="lowest_ask", value="abc", after=1)
    landing, outcome = walk(sandbox.url, STEAM)
    assert isinstance(outcome, ExtractResult)
    rejects = [reject for page in landing.pages for reject in page.rejects]
    assert len(rejects) == 1
    assert '"abc"' in rejects[0].raw
    assert len(landing.rows) == len(ledger(sandbox, STEAM)) - 1
    assert outcome.rows == len(landing.rows) + 1


@pytest.mark.parametrize("after", [0, 2])
def test_a_server_that_never_ends_breaks_the_walk(sandbox: Sandbox, after: int) -> None:
    sandbox.fault("endless", times=None, after=after)
    landing, error = walk(sandbox.url, STEAM)
    assert isinstance(error, errors.PaginationError)
    assert error.source == "cs2cap"
    assert landing.pages
    assert len(sandbox.requests) < 40


def test_a_key_revoked_in_the_middle_stops_everything_at_once(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(items=2000, tier="quant")
    concurrency = 4
    sandbox.fault("revoke_key", after=20)
    landed = Landing()

    async def both(source: CS2Cap) -> list[BaseException | ExtractResult]:
        want = SnapshotRequest("cs2cap", None, PROVIDERS, ("USD", "EUR"), route="catalog")
        shards = plan_snapshot(want, limits_for("quant"), CatalogSizes()).shards
        walks = (source.extract(shard, landed.land) for shard in shards)
        return await asyncio.gather(*walks, return_exceptions=True)

    started = time.monotonic()
    outcomes = use(sandbox.url, both, concurrency=concurrency)
    assert time.monotonic() - started < 5
    assert {type(outcome) for outcome in outcomes} == {errors.KeyRevoked}
    entries = sandbox.requests.since(0)
    first = next(entry.n for entry in entries if entry.status == 401)
    assert 20 <= first <= 21 + concurrency
    assert len(entries) - first <= concurrency
    assert len({(entry.query) for entry in entries}) == len(entries), "nothing is sent twice"
    assert len(landed.pages) >= 20 - concurrency


def test_a_cancelled_walk_stops_its_requests(sandbox: Sandbox) -> None:
    sandbox.fault("latency", seconds=0.3, times=None)

    async def main(source: CS2Cap) -> int:
        walking = asyncio.create_task(source.extract(STEAM, Landing().land))
        await asyncio.sleep(0.5)
        walking.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await walking
        assert time.monotonic() - started < 0.2
        sent = source.requests
        await asyncio.sleep(0.4)
        assert source.requests == sent
        return sent

    assert use(sandbox.url, main) > 1


def test_a_landing_that_fails_ends_the_walk_with_its_own_error(sandbox: Sandbox) -> None:
    class FullError(Exception):
        pass

    async def full(_: PageBuilder) -> PageInfo:
        raise FullError

    with pytest.raises(FullError):
        use(sandbox.url, lambda source: source.extract(STEAM, full))


async def answered(answer: Callable[[dict[str, str]], bytes], shard: Shard, land: PageSink) -> ExtractResult:
    """Walk at a server that answers by the query."""

    async def respond(head: bytes, writer: asyncio.StreamWriter) -> None:
        target = head.split(b" ")[1].decode()
        writer.write(response(answer(dict(parse_qsl(urlsplit(target).query)))))

    async with canned(respond) as server:
        client = Cs2capClient(
            "cs2cap",
            server.url,
            Key(VALID_KEY),
            SystemClock(),
            retry=RetryPolicy(attempts=1),
            rate_limiter=RateLimiter(None, SystemClock()),
        )
        source = CS2Cap(client)
        try:
            return await source.extract(shard, land)
        finally:
            await source.aclose()


ROW = b'{"provider": "%s", "item_id": %d, "market_hash_name": "%s", "lowest_ask": 1, "quantity": 1}'
PAGE = (
    b'{"meta": {"currency": "%s"}, "items": [' + ROW + b'], "pagination": {"limit": 10, "offset": %d, '
    b'"total": 1, "has_next": false}}'
)


@pytest.mark.parametrize(
    ("page", "kind", "told"),
    [
        ((b"EUR", b"steam", 7, b"AK-47", 0), errors.UnexpectedResponse, "asked for USD, got EUR"),
        ((b"USD", b"buff163", 7, b"AK-47", 0), errors.UnexpectedResponse, "not asked for buff163"),
        ((b"USD", b"steam", 8, b"M4A4", 0), errors.UnexpectedResponse, "asked for AK-47, got other items"),
        ((b"USD", b"steam", 7, b"AK-47", 10), errors.PaginationError, "asked for offset 0, got 10"),
        ((b"USD", b"steam", 7, b"AK-47", 0), None, ""),
        ((b"USD", b"steam", 9, b"AK-47", 0), None, ""),
    ],
)
def test_an_answer_to_another_question_is_refused(
    page: tuple[bytes, bytes, int, bytes, int], kind: type[errors.SourceError] | None, told: str
) -> None:
    shard = replace(STEAM, items=(Item("7", "AK-47", None),))
    landing = Landing()
    if kind is None:
        asyncio.run(answered(lambda _: PAGE % page, shard, landing.land))
        assert len(landing.pages) == 1
        return
    with pytest.raises(kind, match=told):
        asyncio.run(answered(lambda _: PAGE % page, shard, landing.land))
    assert landing.pages == []

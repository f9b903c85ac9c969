"""Failures of a paged extraction: transient ones are retried, the others end it with an error."""

import asyncio

import pytest
from msgspec.structs import replace

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
from tests.support.cs2cap import (
    PROVIDERS,
    STEAM,
    PageCollector,
    comparable_rows,
    expected_rows,
    extract,
    run_with_connector,
)
from tests.support.http_servers import http_response, stub_server
from tests.support.sandboxes import MakeSandbox
from tests.support.waiting import wait_until


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
def test_transient_failures_change_nothing(sandbox: Sandbox, fault: dict[str, object], after: int) -> None:
    sandbox.fault(**{"times": 3, "after": after if fault["kind"] != "unknown_total" else 0, **fault})  # type: ignore[arg-type]
    collector, result = extract(sandbox.url, STEAM)
    assert isinstance(result, ExtractResult)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, STEAM)


@pytest.mark.parametrize("kind", ["rows_appear", "rows_vanish"])
@pytest.mark.parametrize("after", [1, 4, 8])
@pytest.mark.parametrize("n", [1, 9])
def test_listing_that_changes_meanwhile_is_reconciled(
    sandbox: Sandbox, kind: str, after: int, n: int
) -> None:
    sandbox.set_provider_dark("skinport")
    shard = replace(STEAM, providers=("csfloat",))
    sandbox.vanish(40, provider="csfloat")
    sandbox.fault(kind, after=after, n=n, match={"providers": "csfloat"})
    collector, result = extract(sandbox.url, shard)
    assert isinstance(result, ExtractResult)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, shard)
    assert result.rows == len(collector.rows)


def test_broken_row_is_rejected_and_the_others_are_landed(sandbox: Sandbox) -> None:
    sandbox.fault("broken_row", field="lowest_ask", value="abc", after=1)
    collector, result = extract(sandbox.url, STEAM)
    assert isinstance(result, ExtractResult)
    rejects = [reject for page in collector.pages for reject in page.rejects]
    assert len(rejects) == 1
    assert '"abc"' in rejects[0].raw
    assert len(collector.rows) == len(expected_rows(sandbox, STEAM)) - 1
    assert result.rows == len(collector.rows) + 1


def test_listing_of_rejects_only_is_complete(sandbox: Sandbox) -> None:
    for row in range(20):
        sandbox.fault("broken_row", field="quantity", value=None, row=row, times=None)
    collector, result = extract(sandbox.url, STEAM)
    assert isinstance(result, ExtractResult)
    rejects = [reject for page in collector.pages for reject in page.rejects]
    assert (len(rejects), collector.rows.height) == (len(expected_rows(sandbox, STEAM)), 0)
    assert (result.rows, result.rounds, result.pages) == (len(rejects), 0, -(-len(rejects) // 20))


@pytest.mark.parametrize("after", [0, 2])
def test_endless_listing_is_a_pagination_error(sandbox: Sandbox, after: int) -> None:
    sandbox.fault("endless", times=None, after=after)
    collector, error = extract(sandbox.url, STEAM)
    assert isinstance(error, errors.PaginationError)
    assert error.source == "cs2cap"
    assert collector.pages
    assert len(sandbox.requests) < 40


def test_revoked_key_stops_all_requests(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(items=2000, tier="quant")
    concurrency = 4
    sandbox.fault("revoke_key", after=20)
    collector = PageCollector()

    async def extract_currencies(connector: CS2Cap) -> list[BaseException | ExtractResult]:
        request = SnapshotRequest("cs2cap", None, PROVIDERS, currencies=("USD", "EUR"), route="catalog")
        shards = plan_snapshot(request, limits_for("quant"), CatalogSizes()).shards
        extractions = (connector.extract(shard, collector) for shard in shards)
        return await asyncio.gather(*extractions, return_exceptions=True)

    results = run_with_connector(sandbox.url, extract_currencies, concurrency=concurrency)
    assert {type(result) for result in results} == {errors.KeyRevoked}
    entries = sandbox.requests.since(0)
    first = next(entry.n for entry in entries if entry.status == 401)
    assert 20 <= first <= 21 + concurrency
    assert len(entries) - first <= concurrency
    assert len({entry.query for entry in entries}) == len(entries), "no request is sent twice"
    assert len(collector.pages) >= 20 - concurrency


def test_cancelled_extraction_sends_no_more_requests(sandbox: Sandbox) -> None:
    sandbox.fault("latency", seconds=3600, after=1, times=None)

    async def main(connector: CS2Cap) -> int:
        extraction = asyncio.create_task(connector.extract(STEAM, PageCollector()))
        await asyncio.to_thread(wait_until, lambda: len(sandbox.requests.of_path("/v1/prices")) > 1)
        extraction.cancel()
        with pytest.raises(asyncio.CancelledError):
            await extraction
        assert asyncio.all_tasks() == {asyncio.current_task()}  # nothing is left that sends a request
        return connector.requests

    assert run_with_connector(sandbox.url, main, limit=5) > 1


def test_error_of_the_sink_ends_the_extraction(sandbox: Sandbox) -> None:
    class FullError(Exception):
        pass

    async def fail(_: PageBuilder) -> PageInfo:
        raise FullError

    with pytest.raises(FullError):
        run_with_connector(sandbox.url, lambda connector: connector.extract(STEAM, fail))


async def extract_from_stub(body: bytes, shard: Shard, sink: PageSink) -> ExtractResult:
    """Extract from a server that answers every request with `body`."""
    async with stub_server(http_response(body)) as server:
        client = Cs2capClient(
            "cs2cap",
            server.url,
            Key(VALID_KEY),
            clock=SystemClock(),
            retry=RetryPolicy(attempts=1),
            rate_limiter=RateLimiter(None, SystemClock()),
        )
        connector = CS2Cap(client)
        try:
            return await connector.extract(shard, sink)
        finally:
            await connector.aclose()


ROW = b'{"provider": "%s", "item_id": %d, "market_hash_name": "%s", "lowest_ask": 1, "quantity": 1}'
PAGE = (
    b'{"meta": {"currency": "%s"}, "items": [' + ROW + b", " + ROW.replace(b": 1}", b": 2}") + b"], "
    b'"pagination": {"limit": 10, "offset": %d, "total": 1, "has_next": false}}'
)


@pytest.mark.parametrize(
    ("page", "error_class", "message"),
    [
        (
            (b"EUR", b"steam", 7, b"AK-47", 0),
            errors.UnexpectedResponse,
            "requested prices in USD, received EUR",
        ),
        ((b"USD", b"buff163", 7, b"AK-47", 0), errors.UnexpectedResponse, "not requested: buff163"),
        ((b"USD", b"steam", 8, b"M4A4", 0), errors.UnexpectedResponse, "item not requested: M4A4"),
        ((b"USD", b"steam", 7, b"AK-47", 10), errors.PaginationError, "requested offset 0, received 10"),
        ((b"USD", b"steam", 7, b"AK-47", 0), None, ""),
        ((b"USD", b"steam", 9, b"AK-47", 0), None, ""),
    ],
)
def test_response_to_another_request_is_an_error(
    page: tuple[bytes, bytes, int, bytes, int], error_class: type[errors.SourceError] | None, message: str
) -> None:
    shard = replace(STEAM, items=(Item("7", "AK-47", None),))
    collector = PageCollector()
    if error_class is None:
        asyncio.run(extract_from_stub(PAGE % (*page[:4], *page[1:]), shard, collector))
        assert len(collector.pages) == 1
        return
    with pytest.raises(error_class, match=message):
        asyncio.run(extract_from_stub(PAGE % (*page[:4], *page[1:]), shard, collector))
    assert collector.pages == []

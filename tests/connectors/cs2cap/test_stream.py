"""Streams: which rows are landed, when a stream is complete, and which requests are sent again."""

import asyncio
import random
from datetime import timedelta
from functools import partial

import polars as pl
import pytest
from msgspec.structs import replace

from common import errors
from common.clock import SystemClock
from common.shards import Item
from connectors.base import ExtractResult
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.cs2cap.errors import GATED_ROUTES
from connectors.http.auth import Key
from connectors.pages import PageBuilder, RawChunk, RawPage, TypedPage
from connectors.pagination import PageInfo
from connectors.shards import BID_DELIVERIES, Shard
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON
from tests.support.cs2cap import (
    PROVIDERS,
    STREAM,
    PageCollector,
    comparable_rows,
    count_posts,
    expected_rows,
    extract,
    run_with_connector,
)
from tests.support.sandboxes import MakeSandbox


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """A sandbox whose tier has streams."""
    return make_sandbox(tier="pro")


def extract_stream(sandbox: Sandbox, shard: Shard = STREAM) -> tuple[PageCollector, ExtractResult]:
    collector, result = extract(sandbox.url, shard)
    assert isinstance(result, ExtractResult), result
    return collector, result


def extract_with_error(sandbox: Sandbox, shard: Shard = STREAM) -> tuple[PageCollector, errors.SourceError]:
    collector, error = extract(sandbox.url, shard)
    assert isinstance(error, errors.SourceError), error
    return collector, error


def test_stream_equals_the_expected_rows_at_its_snapshot(sandbox: Sandbox) -> None:
    sandbox.fault("skewed_date", seconds=90, method="POST", times=None)
    collector, result = extract_stream(sandbox)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, STREAM)
    assert result == ExtractResult(len(collector.pages), collector.rows.height, 0)
    assert {page.observed_at for page in collector.pages} == {NOON}
    assert {page.request for page in collector.pages} == {0}
    assert count_posts(sandbox) == 1


@pytest.mark.parametrize("ahead", [timedelta(minutes=4), timedelta(days=3653)])
def test_snapshot_time_ahead_of_our_clock_is_no_time(make_sandbox: MakeSandbox, ahead: timedelta) -> None:
    sandbox = make_sandbox(tier="pro", frozen=NOON + ahead)
    sandbox.fault("skewed_date", seconds=60 - ahead.total_seconds(), method="POST", times=None)
    collector, _ = extract_stream(sandbox)
    expected = NOON + (ahead if ahead < timedelta(minutes=5) else timedelta(seconds=60))
    assert {page.observed_at for page in collector.pages} == {expected}


@pytest.mark.slow
def test_long_stream_is_landed_in_consecutive_chunks(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(items=1500, tier="pro")
    shard = replace(STREAM, providers=(), every_provider=True)
    collector, _ = extract_stream(sandbox, shard)
    assert len(collector.pages) > 1
    ends = [page.offset + page.rows.height for page in collector.pages]
    assert collector.offsets == [0, *ends[:-1]]
    assert collector.rows.height == sandbox.ledger().height
    assert collector.rows.select("provider", "item_id").equals(
        sandbox.ledger().select("provider", pl.col("item_id").cast(pl.String))
    )


def test_only_selected_items_are_kept(sandbox: Sandbox) -> None:
    selection = tuple(Item(str(number), "", None) for number in (1, 7, 30))
    shard = replace(STREAM, items=selection)
    collector, result = extract_stream(sandbox, shard)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, shard)
    assert result.rows == sandbox.ledger(providers=PROVIDERS).height
    assert {page.total for page in collector.pages} == {-1}


def test_stream_of_bids_has_the_columns_of_asks(sandbox: Sandbox) -> None:
    collector, _ = extract_stream(sandbox, replace(STREAM, deliveries=BID_DELIVERIES))
    bids = sandbox.ledger(providers=PROVIDERS, bids=True)
    assert collector.rows["lowest_ask"].to_list() == bids["highest_bid"].to_list()
    assert collector.rows["quantity"].to_list() == bids["num_bids"].to_list()
    assert set(collector.rows["delivery"]) == {"bid"}


def test_stream_without_rows_is_complete(sandbox: Sandbox) -> None:
    for key in PROVIDERS:
        sandbox.set_provider_dark(key)
    collector, result = extract_stream(sandbox)
    assert result.rows == 0
    assert len(collector.pages) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "truncate", "rows": 100}, "broke off after 100 rows"),
        ({"kind": "truncate", "share": 0.5}, "broke off after"),
        ({"kind": "truncate", "how": "gzip"}, "compressed data is truncated"),
        ({"kind": "short_stream", "rows": 3}, "its header announced"),
    ],
    ids=["rows", "share", "gzip", "short"],
)
def test_broken_stream_lands_its_rows_and_is_not_sent_again(
    sandbox: Sandbox, fault: dict[str, object], message: str
) -> None:
    sandbox.fault(method="POST", times=None, **fault)  # type: ignore[arg-type]
    collector, error = extract_with_error(sandbox)
    assert isinstance(error, errors.PaginationError)
    assert message in error.detail
    assert f"after {collector.rows.height} rows" in error.detail
    assert comparable_rows(collector.rows) == comparable_rows(
        rows_in_stream_order(sandbox).head(collector.rows.height)
    )
    assert count_posts(sandbox) == 1


def rows_in_stream_order(sandbox: Sandbox) -> pl.DataFrame:
    """Return the rows of the catalog route in the order of a stream."""
    collectors = [
        extract(sandbox.url, Shard(0, "cs2cap", "USD", providers=(key,), items=None), limit=None)[0]
        for key in PROVIDERS
    ]
    rows = pl.concat([collector.rows for collector in collectors])
    order = sandbox.ledger(providers=PROVIDERS).select("provider", pl.col("item_id").cast(pl.String))
    return order.join(rows, on=["provider", "item_id"], how="left", maintain_order="left").select(
        rows.columns
    )


@pytest.mark.slow
def test_stalled_body_fails_at_the_deadline(sandbox: Sandbox) -> None:
    sandbox.fault("stall", seconds=30, method="POST")

    async def main() -> ExtractResult:
        connector = CS2Cap(
            Cs2capClient("cs2cap", sandbox.url, Key(VALID_KEY), clock=SystemClock()), stream_deadline=2.0
        )
        try:
            return await connector.extract(STREAM, PageCollector())
        finally:
            await connector.aclose()

    with pytest.raises(errors.PaginationError, match=r"no answer in 2 s"):
        asyncio.run(main())
    assert count_posts(sandbox) == 1


def test_stream_without_a_total_is_complete(sandbox: Sandbox) -> None:
    sandbox.fault("unknown_total", method="POST")
    collector, result = extract_stream(sandbox)
    assert result.rows == collector.rows.height == sandbox.ledger(providers=PROVIDERS).height


def test_broken_line_is_rejected_and_the_others_are_landed(sandbox: Sandbox) -> None:
    sandbox.fault("broken_line", method="POST", row=5, text='{"provider": "steam", "lowest_ask": "1"}')
    collector, result = extract_stream(sandbox)
    (reject,) = (reject for page in collector.pages for reject in page.rejects)
    assert reject.raw == '{"provider": "steam", "lowest_ask": "1"}'
    assert reject.reason
    assert result.rows == collector.rows.height + 1 == sandbox.ledger(providers=PROVIDERS).height


def test_endless_line_ends_the_stream(sandbox: Sandbox) -> None:
    endless = "".join(random.Random(1).choices("01", k=4 * 2**20))  # longer than the first chunk
    sandbox.fault("broken_line", method="POST", row=5, text=endless)
    collector, error = extract_with_error(sandbox)
    assert isinstance(error, errors.UnexpectedResponse)
    assert "a line is longer" in error.detail
    assert collector.pages == []


def test_unknown_field_is_counted_in_every_row(sandbox: Sandbox) -> None:
    sandbox.fault("new_field", method="POST", name="float_value", value=0.5)
    collector, result = extract_stream(sandbox)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, STREAM)
    counts = [page.unknown_fields.get("float_value", 0) for page in collector.pages]
    assert sum(counts) == result.rows


@pytest.mark.parametrize(
    "fault",
    [{"kind": "rate_limited", "retry_after": 30}, {"kind": "unavailable"}, {"kind": "html"}],
    ids=lambda fault: str(fault["kind"]),
)
def test_temporary_rejection_is_retried(sandbox: Sandbox, fault: dict[str, object]) -> None:
    sandbox.fault(method="POST", times=2, **fault)  # type: ignore[arg-type]
    collector, _ = extract_stream(sandbox)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, STREAM)
    assert count_posts(sandbox) == 3


@pytest.mark.slow
def test_second_stream_waits_for_the_first(sandbox: Sandbox) -> None:
    sandbox.fault("stall", seconds=0.5, method="POST")

    async def extract_twice() -> list[ExtractResult]:
        client = Cs2capClient("cs2cap", sandbox.url, Key(VALID_KEY), clock=SystemClock())
        connector = CS2Cap(client)
        try:
            extractions = [connector.extract(STREAM, PageCollector()) for _ in range(2)]
            return list(await asyncio.gather(*extractions))
        finally:
            await connector.aclose()

    expected = sandbox.ledger(providers=PROVIDERS).height
    assert [result.rows for result in asyncio.run(extract_twice())] == [expected, expected]
    assert sorted(entry.status or 0 for entry in sandbox.requests.since(0)) == [200, 200, 409]


def test_request_without_a_response_is_not_sent_again(sandbox: Sandbox) -> None:
    sandbox.fault("lost_answer", method="POST", times=None)
    collector, error = extract_with_error(sandbox)
    assert isinstance(error, errors.PaginationError)
    assert "the stream may have started" in error.detail
    assert collector.pages == []
    assert count_posts(sandbox) == 1


@pytest.mark.parametrize("path", ["/v1/prices", "/v1/bids"])
def test_tier_without_streams_is_plan_forbids(make_sandbox: MakeSandbox, path: str) -> None:
    sandbox = make_sandbox(tier="starter")
    _, error = extract_with_error(
        sandbox, replace(STREAM, deliveries=BID_DELIVERIES if path == "/v1/bids" else ("standard",))
    )
    assert isinstance(error, errors.PlanForbids)
    assert f"POST {path}" in GATED_ROUTES
    assert count_posts(sandbox) == 1


def test_currency_other_than_usd_is_a_config_error(sandbox: Sandbox) -> None:
    _, error = extract_with_error(sandbox, replace(STREAM, currency="EUR"))
    assert isinstance(error, errors.ConfigError)
    assert count_posts(sandbox) == 0


def test_row_of_another_provider_in_a_stream_is_a_reject(sandbox: Sandbox) -> None:
    """New: the chunk used to be lost, and the stream start with it."""

    async def job(connector: CS2Cap) -> ExtractResult:
        return await connector.extract(replace(STREAM, providers=("steam",)), collector)

    sandbox.fault("broken_row", method="POST", field="provider", value="buff163", row=0)
    collector = PageCollector()
    result = run_with_connector(sandbox.url, job)
    (reject,) = [reject for page in collector.pages for reject in page.rejects]
    assert reject.reason == "marketplace not requested: buff163"
    assert result.rows == collector.rows.height + 1 > 10


def test_cancelled_stream_lands_the_rows_that_have_arrived(make_sandbox: MakeSandbox) -> None:
    # Nothing tells that rows have arrived: where none have, the next try waits longer.
    for seconds in (0.2, 2.0, 20.0):
        collector, sandbox = PageCollector(), make_sandbox()
        sandbox.fault("stall", seconds=3600, method="POST")
        run_with_connector(sandbox.url, partial(cancel_stream, collector=collector, after=seconds))
        if rows := collector.rows.height:
            break
    assert 0 < rows < sandbox.ledger(providers=PROVIDERS).height


async def cancel_stream(connector: CS2Cap, collector: PageCollector, after: float) -> None:
    extraction = asyncio.create_task(connector.extract(STREAM, collector))
    await asyncio.sleep(after)
    extraction.cancel()
    with pytest.raises(asyncio.CancelledError):
        await extraction


def test_error_of_the_sink_ends_the_stream(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(items=1500, tier="pro")
    landed: list[TypedPage | RawChunk | RawPage] = []

    class FullError(Exception):
        pass

    async def fail_second(build: PageBuilder) -> PageInfo:
        page, info = build()
        if landed:
            raise FullError
        landed.append(page)
        return info

    shard = replace(STREAM, every_provider=True)
    with pytest.raises(FullError):
        run_with_connector(sandbox.url, lambda connector: connector.extract(shard, fail_second))
    assert len(landed) == 1

"""Batches: 100 items a request, a response that covers every item, and names that the API does not know."""

import json
from typing import Any

import polars as pl
import pytest
from msgspec.structs import replace

from common import errors
from common.shards import Item
from connectors.base import ExtractResult
from connectors.cs2cap.batch import parse_batch_page, split_into_batches
from connectors.pages import TypedPage
from connectors.shards import BID_DELIVERIES, Shard
from sandbox.core import Sandbox
from sandbox.request_log import LogEntry
from tests.support.clocks import NOON
from tests.support.cs2cap import PROVIDERS, PageCollector, comparable_rows, extract, numbered_items
from tests.support.sandboxes import MakeSandbox

UNKNOWN_NAME = "AK-47 | Nobody Made This (Field-Tested)"


def shard(*items: Item, **fields: object) -> Shard:
    batch = {"providers": PROVIDERS, "items": items, "route": "batch", **fields}
    return replace(Shard(0, "cs2cap", "USD", providers=(), items=None), **batch)


def batch_requests(sandbox: Sandbox, since: int = 0) -> list[LogEntry]:
    return [entry for entry in sandbox.requests.since(since) if entry.method == "POST"]


def extract_batches(
    sandbox: Sandbox, batch_shard: Shard, resume_pages: tuple[TypedPage, ...] = ()
) -> tuple[PageCollector, ExtractResult]:
    collector, result = extract(sandbox.url, batch_shard, resume_pages)
    assert isinstance(result, ExtractResult), result
    return collector, result


@pytest.mark.parametrize("count", [1, 100, 101, 250])
def test_each_request_of_up_to_100_items_gives_one_page(sandbox: Sandbox, count: int) -> None:
    batch_shard = shard(*numbered_items(count))
    collector, result = extract_batches(sandbox, batch_shard)
    pages = -(-count // 100)
    assert sorted(page.request for page in collector.pages) == list(range(pages))
    assert result.pages == len(batch_requests(sandbox)) == pages
    assert rows_in_seconds(collector) == expected_in_seconds(sandbox, batch_shard)
    assert {page.observed_at for page in collector.pages} == {NOON}


def rows_in_seconds(collector: PageCollector) -> list[tuple[object, ...]]:
    return comparable_rows(_in_seconds(collector.rows))


def expected_in_seconds(sandbox: Sandbox, shard: Shard) -> list[tuple[object, ...]]:
    """Return the expected rows with timestamps as a batch has them: in whole seconds."""
    items = [int(item.item_id) for item in shard.items or () if item.item_id]
    quotes = sandbox.ledger(currency=shard.currency, providers=shard.providers, item_ids=items)
    price = pl.col("lowest_ask_decimal").cast(pl.Decimal(20, 8))
    return comparable_rows(_in_seconds(quotes.with_columns(pl.col("item_id").cast(pl.String), price=price)))


def _in_seconds(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("timestamp").dt.truncate("1s"))


def test_request_for_every_provider_names_none(sandbox: Sandbox) -> None:
    batch_shard = shard(*numbered_items(3), every_provider=True)
    (request,) = split_into_batches(batch_shard, "cs2cap")
    assert json.loads(request.body) == {"currency": "USD", "item_ids": [1, 2, 3]}
    collector, _ = extract_batches(sandbox, batch_shard)
    assert set(collector.rows["provider"]) > set(PROVIDERS)


def test_item_that_no_provider_lists_has_no_quotes(sandbox: Sandbox) -> None:
    sandbox.set_provider_dark("steam")
    collector, result = extract_batches(sandbox, shard(*numbered_items(3), providers=("steam",)))
    assert result == ExtractResult(1, 0, 0)
    assert collector.pages[0].rows.height == 0


def test_removed_id_has_no_quotes(sandbox: Sandbox) -> None:
    collector, _ = extract_batches(sandbox, shard(*numbered_items(2), Item("999999", "long gone", None)))
    assert set(collector.rows["item_id"]) == {"1", "2"}


def test_unknown_name_fails_the_shard_after_its_pages_are_landed(sandbox: Sandbox) -> None:
    batch_shard = shard(Item(None, UNKNOWN_NAME, None), *numbered_items(150))
    collector, error = extract(sandbox.url, batch_shard)
    assert isinstance(error, errors.RequestRejected)
    assert UNKNOWN_NAME in error.detail
    assert {page.request for page in collector.pages} == {0, 1}
    assert rows_in_seconds(collector) == expected_in_seconds(sandbox, batch_shard)


def test_unknown_name_is_reported_again_after_an_interruption(sandbox: Sandbox) -> None:
    batch_shard = shard(Item(None, UNKNOWN_NAME, None), *numbered_items(150))
    collector, _ = extract(sandbox.url, batch_shard)
    before = len(sandbox.requests)
    _, error = extract(sandbox.url, batch_shard, collector.pages)
    assert isinstance(error, errors.RequestRejected)
    assert len(sandbox.requests) - before == 1


def test_item_with_a_phase_but_without_an_id_is_not_requested(sandbox: Sandbox) -> None:
    _, error = extract(sandbox.url, shard(Item(None, "★ Karambit | Doppler (Factory New)", "Phase 2")))
    assert isinstance(error, errors.RequestRejected)
    assert "has no id" in error.detail
    assert batch_requests(sandbox) == []


def test_landed_pages_are_not_fetched_again(sandbox: Sandbox) -> None:
    batch_shard = shard(*numbered_items(250))
    first, _ = extract_batches(sandbox, batch_shard)
    before = len(sandbox.requests)
    landed = tuple(page for page in first.pages if page.request != 1)
    collector, result = extract_batches(sandbox, batch_shard, landed)
    assert len(batch_requests(sandbox, before)) == result.pages == 1
    assert comparable_rows(collector.rows) == comparable_rows(first.rows)
    assert result.rows == first.rows.height


@pytest.mark.parametrize(
    "routes", [("batch", "item"), ("item", "batch"), ("item", "catalog"), ("catalog", "item")]
)
def test_pages_of_another_route_are_not_reused(sandbox: Sandbox, routes: tuple[str, str]) -> None:
    batch_shard = shard(*numbered_items(30), providers=("steam",))
    first, _ = extract_batches(sandbox, replace(batch_shard, route=routes[0]))
    collector, _ = extract_batches(sandbox, replace(batch_shard, route=routes[1]), tuple(first.pages[:2]))
    assert rows_in_seconds(collector) == expected_in_seconds(sandbox, batch_shard)
    assert sum(page.rows.height for page in collector.pages) == collector.rows.height


def test_rejected_quote_contains_its_item(sandbox: Sandbox) -> None:
    sandbox.fault("broken_row", path="/v1/prices/batch", field="lowest_ask", value="abc")
    collector, result = extract_batches(sandbox, shard(*numbered_items(3)))
    (reject,) = collector.pages[0].rejects
    raw = json.loads(reject.raw)
    assert (raw["item_id"], raw["lowest_ask"]) == (1, "abc")
    assert result.rows == collector.rows.height + 1


def test_unknown_field_is_counted_and_loses_no_quote(sandbox: Sandbox) -> None:
    sandbox.fault("new_field", path="/v1/prices/batch", name="new", value=1)
    collector, result = extract_batches(sandbox, shard(*numbered_items(3)))
    assert collector.pages[0].unknown_fields == {"new": result.rows}


@pytest.mark.parametrize("kind", ["rate_limited", "unavailable", "status_500", "drop", "lost_answer", "html"])
def test_transient_failure_is_retried(sandbox: Sandbox, kind: str) -> None:
    sandbox.fault(kind, path="/v1/prices/batch", times=2)
    collector, _ = extract_batches(sandbox, shard(*numbered_items(3)))
    assert collector.rows.height
    assert len(batch_requests(sandbox)) == 3


@pytest.mark.parametrize("deliveries", [("standard",), BID_DELIVERIES])
def test_tier_without_batches_is_plan_forbids(make_sandbox: MakeSandbox, deliveries: tuple[str, ...]) -> None:
    sandbox = make_sandbox(tier="free")
    _, error = extract(sandbox.url, shard(*numbered_items(3), deliveries=deliveries))
    assert isinstance(error, errors.PlanForbids)
    assert len(batch_requests(sandbox)) == 1


META = {"currency": "USD"}
SKINPORT = {"provider": "skinport", "lowest_ask": 1, "quantity": 1}
ITEM: dict[str, Any] = {
    "item_id": 1,
    "market_hash_name": "AK-47",
    "quotes": [{"provider": "steam", "lowest_ask": 1, "quantity": 1}],
}
OTHER_ITEM = {**ITEM, "item_id": 8, "market_hash_name": "M4A4"}


@pytest.mark.parametrize(
    ("response", "message"),
    [
        ({"meta": {"currency": "EUR"}}, "requested prices in USD, received EUR"),
        ({"items": [ITEM]}, "lacks 2 of"),
        ({"items": [ITEM], "items_not_found": [2]}, "lacks 1 of"),
        ({"items": [ITEM, *[OTHER_ITEM] * 2]}, "2 of 3 rows answer another"),
        ({"items": [ITEM, OTHER_ITEM]}, "lacks 2 of"),
        ({"items": [ITEM, OTHER_ITEM], "items_not_found": [2]}, None),
        ({"items": [ITEM], "items_not_found": [2], "names_not_found": ["Name"]}, None),
        ({"items": [ITEM], "items_not_found": [2, 77]}, None),
        ({"items": [{**ITEM, "quotes": [SKINPORT, SKINPORT]}],
          "items_not_found": [2], "names_not_found": ["Name"]}, "not requested: skinport"),
        ({"items": [{**ITEM, "quotes": [*ITEM["quotes"], SKINPORT]}],
          "items_not_found": [2], "names_not_found": ["Name"]}, None),
        ({"items": None}, "/v1/prices/batch"),
    ],
)  # fmt: skip
def test_response_must_cover_every_item_and_hardly_any_other(
    response: dict[str, object], message: str | None
) -> None:
    batch_shard = shard(Item("1", "AK-47", None), Item("2", "AWP", None), Item(None, "Name", None))
    (request,) = split_into_batches(batch_shard, "cs2cap")
    body = json.dumps({"meta": META, "items": [], "items_not_found": [], **response}).encode()
    if message is None:
        page, _ = parse_batch_page(request, lambda: body, NOON)
        assert page.rows.height == 1
        return
    with pytest.raises(errors.UnexpectedResponse, match=message):
        parse_batch_page(request, lambda: body, NOON)


def test_one_rejected_request_fails_the_shard(sandbox: Sandbox) -> None:
    sandbox.fault("status_500", path="/v1/prices/batch", status=418, after=1)
    collector, error = extract(sandbox.url, shard(*numbered_items(300)))
    assert isinstance(error, errors.RequestRejected)
    assert error.status == 418
    assert len(collector.pages) < 3

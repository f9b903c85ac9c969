"""Listings are extracted page by page, and equal the rows that the sandbox expects."""

import polars as pl
import pytest
from msgspec.structs import replace

from common import errors
from common.shards import Item
from connectors.base import Connector, ExtractResult
from connectors.cs2cap.connector import CS2Cap
from connectors.schemas import QUOTES, quote_keys
from connectors.shards import Shard
from connectors.tiers import limits_for
from pipelines.planning.model import CatalogSizes, SnapshotRequest
from pipelines.planning.selectors import resolve_items
from pipelines.planning.snapshot_planner import plan_snapshot
from sandbox.core import Sandbox
from tests.support.clocks import NOON
from tests.support.cs2cap import PROVIDERS, STEAM, comparable_rows, expected_rows, extract, run_with_connector
from tests.support.sandboxes import MakeSandbox


def test_cs2cap_is_a_connector() -> None:
    async def source_of(connector: Connector) -> str:
        return connector.source

    assert run_with_connector("http://127.0.0.1:9", source_of) == "cs2cap"


@pytest.mark.parametrize("currency", ["USD", "EUR", "BTC", "KWD"])
@pytest.mark.parametrize("limit", [None, 7, 20])
def test_catalog_equals_the_expected_rows(sandbox: Sandbox, currency: str, limit: int | None) -> None:
    shard = replace(STEAM, currency=currency)
    collector, result = extract(sandbox.url, shard, limit=limit)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, shard)
    assert isinstance(result, ExtractResult)
    assert (result.rows, result.rounds) == (len(collector.rows), 0)
    assert result.pages == len(collector.pages) == len(sandbox.requests)
    assert {page.observed_at for page in collector.pages} == {NOON}


@pytest.mark.parametrize("counted", [False, True], ids=["distinct total", "total of all rows"])
@pytest.mark.parametrize("pages", [1, 5])
@pytest.mark.parametrize("broken", [False, True], ids=["a quote", "a reject"])
def test_rows_that_a_page_repeats_cost_no_request(
    sandbox: Sandbox, counted: bool, pages: int, broken: bool
) -> None:
    expected = expected_rows(sandbox, STEAM)
    if broken:
        sandbox.fault("broken_row", field="quantity", value="many", row=3)
    sandbox.fault("repeated_row", row=3, times=pages)
    if counted:
        sandbox.fault("wrong_total", by=pages, times=None)
    collector, result = extract(sandbox.url, STEAM)
    assert isinstance(result, ExtractResult)
    total = len(expected) + (pages if counted else 0)
    assert (result.rows, result.rounds, result.pages) == (len(expected), 0, -(-total // 20))
    assert len(collector.rows) == len(expected) - broken
    assert set(comparable_rows(collector.rows)) <= set(expected)


@pytest.mark.parametrize("counted", [False, True], ids=["distinct total", "total of all rows"])
def test_quotes_that_a_page_of_an_item_repeats_cost_no_request(sandbox: Sandbox, counted: bool) -> None:
    shard = replace(STEAM, items=(Item("1", "whatever", None),))
    sandbox.fault("repeated_row")
    if counted:
        sandbox.fault("wrong_total")
    collector, result = extract(sandbox.url, shard)
    assert result == ExtractResult(pages=1, rows=1, rounds=0)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, shard)


def test_first_page_shows_the_tiers_page_limit(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="free")
    collector, result = extract(sandbox.url, STEAM, limit=None)
    assert isinstance(result, ExtractResult)
    assert collector.pages[0].rows.height == 100
    assert sorted(collector.offsets) == list(range(0, result.rows, 100))


def test_page_limit_above_the_tiers_maximum_is_rejected(make_sandbox: MakeSandbox) -> None:
    collector, error = extract(make_sandbox(tier="free").url, STEAM, limit=500)
    assert isinstance(error, errors.RequestRejected)
    assert "limit" in error.detail
    assert collector.pages == []


@pytest.mark.parametrize("every_provider", [True, False])
def test_items_equal_the_expected_rows(sandbox: Sandbox, every_provider: bool) -> None:
    async def read_catalogs(connector: CS2Cap) -> tuple[pl.DataFrame, pl.DataFrame]:
        return await connector.items(), await connector.providers()

    catalog, providers = run_with_connector(sandbox.url, read_catalogs)
    items = resolve_items([1, "*Karambit*", "*Doppler*", 30, 31], catalog)
    assert items is not None
    assert any(item.phase for item in items)
    keys = providers["provider"].to_list() if every_provider else list(PROVIDERS)
    request = SnapshotRequest(
        "cs2cap", items, tuple(keys), currencies=("USD", "BTC"), every_provider=every_provider, route="item"
    )
    for shard in plan_snapshot(request, limits_for("pro"), CatalogSizes()).shards:
        collector, result = extract(sandbox.url, shard, limit=None)
        assert comparable_rows(collector.rows) == expected_rows(sandbox, shard)
        assert isinstance(result, ExtractResult)
        assert sorted(page.request for page in collector.pages) == list(range(len(items)))
    queries = [entry.query for entry in sandbox.requests.since(0) if entry.path == "/v1/prices"]
    assert any("providers=" in query for query in queries) == (not every_provider)


def test_name_without_a_phase_aggregates_the_phases(sandbox: Sandbox) -> None:
    catalog = run_with_connector(sandbox.url, lambda connector: connector.items())
    name = catalog.filter(pl.col("phase").is_not_null())["market_hash_name"][0]
    by_name = Shard(0, "cs2cap", "USD", providers=PROVIDERS, items=(Item(None, name, None),))
    aggregate = resolve_items([name], catalog)
    collector, _ = extract(sandbox.url, by_name)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, replace(by_name, items=aggregate))
    assert set(collector.rows["phase"]) == {None}


def test_item_that_no_provider_lists_is_an_empty_page(sandbox: Sandbox) -> None:
    sandbox.set_provider_dark("steam")
    collector, result = extract(sandbox.url, replace(STEAM, items=(Item("1", "whatever", None),)))
    assert result == ExtractResult(pages=1, rows=0, rounds=0)
    assert collector.pages[0].rows.schema == QUOTES


def test_every_page_has_total_fingerprint_and_unique_keys(sandbox: Sandbox) -> None:
    collector, _ = extract(sandbox.url, STEAM)
    totals = {page.total for page in collector.pages}
    assert totals == {len(collector.rows)}
    assert len({page.fingerprint for page in collector.pages}) == len(collector.pages)
    keys = quote_keys(collector.rows)
    assert len(set(keys)) == len(keys)

"""The CS2Cap connector against the sandbox: what it brings equals the ledger."""

from dataclasses import replace

import polars as pl
import pytest

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
from tests.support.cs2cap import PROVIDERS, STEAM, as_ledger, ledger, use, walk
from tests.support.sandboxes import MakeSandbox


def test_it_is_a_connector(sandbox: Sandbox) -> None:
    async def name(source: Connector) -> str:
        return source.source

    assert use(sandbox.url, name) == "cs2cap"


@pytest.mark.parametrize("currency", ["USD", "EUR", "BTC", "KWD"])
@pytest.mark.parametrize("limit", [None, 7, 20])
def test_a_catalog_equals_the_ledger(sandbox: Sandbox, currency: str, limit: int | None) -> None:
    shard = replace(STEAM, currency=currency)
    landing, outcome = walk(sandbox.url, shard, limit=limit)
    assert as_ledger(landing.rows) == ledger(sandbox, shard)
    assert isinstance(outcome, ExtractResult)
    assert (outcome.rows, outcome.rounds) == (len(landing.rows), 0)
    assert outcome.pages == len(landing.pages) == len(sandbox.requests)
    assert {page.observed_at for page in landing.pages} == {NOON}


def test_a_tier_caps_the_page_and_the_first_page_tells(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="free")
    landing, outcome = walk(sandbox.url, STEAM, limit=None)
    assert isinstance(outcome, ExtractResult)
    assert landing.pages[0].rows.height == 100
    assert sorted(landing.offsets) == list(range(0, outcome.rows, 100))


def test_a_page_limit_above_the_tiers_cap_is_our_own_mistake(make_sandbox: MakeSandbox) -> None:
    landing, error = walk(make_sandbox(tier="free").url, STEAM, limit=500)
    assert isinstance(error, errors.RequestRejected)
    assert "limit" in error.detail
    assert landing.pages == []


@pytest.mark.parametrize("every", [True, False])
def test_items_equal_the_ledger(sandbox: Sandbox, every: bool) -> None:
    async def everything(source: CS2Cap) -> tuple[pl.DataFrame, pl.DataFrame]:
        return await source.items(), await source.providers()

    catalog, providers = use(sandbox.url, everything)
    items = resolve_items([1, "*Karambit*", "*Doppler*", 30, 31], catalog)
    assert items is not None
    assert any(item.phase for item in items)
    keys = providers["provider"].to_list() if every else list(PROVIDERS)
    want = SnapshotRequest("cs2cap", items, tuple(keys), ("USD", "BTC"), every_provider=every, route="item")
    for shard in plan_snapshot(want, limits_for("pro"), CatalogSizes()).shards:
        landing, outcome = walk(sandbox.url, shard, limit=None)
        assert as_ledger(landing.rows) == ledger(sandbox, shard)
        assert isinstance(outcome, ExtractResult)
        assert sorted(page.request for page in landing.pages) == list(range(len(items)))
    named = [entry.query for entry in sandbox.requests.since(0) if entry.path == "/v1/prices"]
    assert any("providers=" in query for query in named) == (not every)


def test_a_phased_name_aggregates_its_phases(sandbox: Sandbox) -> None:
    catalog = use(sandbox.url, lambda source: source.items())
    name = catalog.filter(pl.col("phase").is_not_null())["market_hash_name"][0]
    by_name = Shard(0, "cs2cap", "USD", PROVIDERS, (Item(None, name, None),))
    aggregate = resolve_items([name], catalog)
    landing, _ = walk(sandbox.url, by_name)
    assert as_ledger(landing.rows) == ledger(sandbox, replace(by_name, items=aggregate))
    assert set(landing.rows["phase"]) == {None}


def test_an_item_that_nobody_lists_is_an_empty_page(sandbox: Sandbox) -> None:
    sandbox.set_provider_dark("steam")
    landing, outcome = walk(sandbox.url, replace(STEAM, items=(Item("1", "whatever", None),)))
    assert outcome == ExtractResult(pages=1, rows=0, rounds=0)
    assert landing.pages[0].rows.schema == QUOTES


def test_every_page_carries_what_the_loader_needs(sandbox: Sandbox) -> None:
    landing, _ = walk(sandbox.url, STEAM)
    totals = {page.total for page in landing.pages}
    assert totals == {len(landing.rows)}
    assert len({page.fingerprint for page in landing.pages}) == len(landing.pages)
    keys = quote_keys(landing.rows)
    assert len(set(keys)) == len(keys)

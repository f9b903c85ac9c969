"""The walk of a batch: 100 items a request, an answer for every entry, and names that nobody knows."""

import json
from dataclasses import replace

import polars as pl
import pytest

from common import errors
from common.shards import Item
from connectors.base import ExtractResult
from connectors.cs2cap.batch import parse_batch_page, split_into_batches
from connectors.pages import TypedPage
from connectors.shards import BIDS, Shard
from sandbox.core import Sandbox
from sandbox.request_log import LogEntry
from tests.support.clocks import NOON
from tests.support.cs2cap import Landing, as_ledger, numbered_items, walk
from tests.support.sandboxes import MakeSandbox

KEYS = ("steam", "buff163", "csfloat")
NOBODY = "AK-47 | Nobody Made This (Field-Tested)"


def shard(*items: Item, **fields: object) -> Shard:
    told = {"providers": KEYS, "items": items, "route": "batch", **fields}
    return replace(Shard(0, "cs2cap", "USD", (), None), **told)  # type: ignore[arg-type]


def asked(box: Sandbox, since: int = 0) -> list[LogEntry]:
    return [entry for entry in box.requests.since(since) if entry.method == "POST"]


def batched(box: Sandbox, wanted: Shard, have: tuple[TypedPage, ...] = ()) -> tuple[Landing, ExtractResult]:
    landing, outcome = walk(box.url, wanted, have)
    assert isinstance(outcome, ExtractResult), outcome
    return landing, outcome


@pytest.mark.parametrize("count", [1, 100, 101, 250])
def test_a_page_a_request_and_a_request_a_hundred_items(sandbox: Sandbox, count: int) -> None:
    wanted = shard(*numbered_items(count))
    landing, outcome = batched(sandbox, wanted)
    pages = -(-count // 100)
    assert sorted(page.request for page in landing.pages) == list(range(pages))
    assert outcome.pages == len(asked(sandbox)) == pages
    assert brought(landing) == ledger(sandbox, wanted)
    assert {page.observed_at for page in landing.pages} == {NOON}


def brought(landing: Landing) -> list[tuple[object, ...]]:
    return as_ledger(_in_seconds(landing.rows))


def ledger(box: Sandbox, wanted: Shard) -> list[tuple[object, ...]]:
    """What the market serves, with moments as a batch tells them."""
    items = [int(item.item_id) for item in wanted.items or () if item.item_id]
    told = box.ledger(currency=wanted.currency, providers=wanted.providers, item_ids=items)
    price = pl.col("lowest_ask_decimal").cast(pl.Decimal(20, 8))
    return as_ledger(_in_seconds(told.with_columns(pl.col("item_id").cast(pl.String), price=price)))


def _in_seconds(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("timestamp").dt.truncate("1s"))


def test_every_provider_is_not_named(sandbox: Sandbox) -> None:
    wanted = shard(*numbered_items(3), every_provider=True)
    (entries,) = split_into_batches(wanted, "cs2cap")
    assert json.loads(entries.body) == {"currency": "USD", "item_ids": [1, 2, 3]}
    landing, _ = batched(sandbox, wanted)
    assert set(landing.rows["provider"]) > set(KEYS)


def test_what_nobody_lists_is_no_quote_and_no_error(sandbox: Sandbox) -> None:
    sandbox.set_provider_dark("steam")
    landing, outcome = batched(sandbox, shard(*numbered_items(3), providers=("steam",)))
    assert outcome == ExtractResult(1, 0, 0)
    assert landing.pages[0].rows.height == 0


def test_an_id_that_is_gone_is_no_quote_and_no_error(sandbox: Sandbox) -> None:
    landing, _ = batched(sandbox, shard(*numbered_items(2), Item("999999", "long gone", None)))
    assert set(landing.rows["item_id"]) == {"1", "2"}


def test_a_name_that_nobody_knows_fails_the_shard_once_all_is_landed(sandbox: Sandbox) -> None:
    wanted = shard(Item(None, NOBODY, None), *numbered_items(150))
    landing, error = walk(sandbox.url, wanted)
    assert isinstance(error, errors.RequestRejected)
    assert NOBODY in error.detail
    assert {page.request for page in landing.pages} == {0, 1}
    assert brought(landing) == ledger(sandbox, wanted)


def test_a_name_that_nobody_knows_is_told_again_after_an_interruption(sandbox: Sandbox) -> None:
    wanted = shard(Item(None, NOBODY, None), *numbered_items(150))
    landing, _ = walk(sandbox.url, wanted)
    before = len(sandbox.requests)
    _, error = walk(sandbox.url, wanted, landing.pages)
    assert isinstance(error, errors.RequestRejected)
    assert len(sandbox.requests) - before == 1


def test_a_phase_without_an_id_is_not_asked_for_by_its_name(sandbox: Sandbox) -> None:
    _, error = walk(sandbox.url, shard(Item(None, "★ Karambit | Doppler (Factory New)", "Phase 2")))
    assert isinstance(error, errors.RequestRejected)
    assert "has no id" in error.detail
    assert asked(sandbox) == []


def test_pages_that_were_landed_are_not_asked_for_again(sandbox: Sandbox) -> None:
    wanted = shard(*numbered_items(250))
    whole, _ = batched(sandbox, wanted)
    before = len(sandbox.requests)
    kept = tuple(page for page in whole.pages if page.request != 1)
    landing, outcome = batched(sandbox, wanted, kept)
    assert len(asked(sandbox, before)) == outcome.pages == 1
    assert as_ledger(landing.rows) == as_ledger(whole.rows)
    assert outcome.rows == whole.rows.height


@pytest.mark.parametrize(
    "routes", [("batch", "item"), ("item", "batch"), ("item", "catalog"), ("catalog", "item")]
)
def test_pages_of_another_route_are_no_answer(sandbox: Sandbox, routes: tuple[str, str]) -> None:
    wanted = shard(*numbered_items(30), providers=("steam",))
    first, _ = batched(sandbox, replace(wanted, route=routes[0]))  # type: ignore[arg-type]
    landing, _ = batched(sandbox, replace(wanted, route=routes[1]), tuple(first.pages[:2]))  # type: ignore[arg-type]
    assert brought(landing) == ledger(sandbox, wanted)
    assert sum(page.rows.height for page in landing.pages) == landing.rows.height


def test_a_broken_quote_is_rejected_with_the_item_it_is_about(sandbox: Sandbox) -> None:
    sandbox.fault("broken_row", path="/v1/prices/batch", field="lowest_ask", value="abc")
    landing, outcome = batched(sandbox, shard(*numbered_items(3)))
    (reject,) = landing.pages[0].rejects
    told = json.loads(reject.raw)
    assert (told["item_id"], told["lowest_ask"]) == (1, "abc")
    assert outcome.rows == landing.rows.height + 1


def test_a_new_field_is_counted_and_no_quote_is_lost(sandbox: Sandbox) -> None:
    sandbox.fault("new_field", path="/v1/prices/batch", name="new", value=1)
    landing, outcome = batched(sandbox, shard(*numbered_items(3)))
    assert landing.pages[0].unknown_fields == {"new": outcome.rows}


@pytest.mark.parametrize("kind", ["rate_limited", "unavailable", "status_500", "drop", "lost_answer", "html"])
def test_what_passes_is_tried_again(sandbox: Sandbox, kind: str) -> None:
    sandbox.fault(kind, path="/v1/prices/batch", times=2)
    landing, _ = batched(sandbox, shard(*numbered_items(3)))
    assert landing.rows.height
    assert len(asked(sandbox)) == 3


@pytest.mark.parametrize("deliveries", [("standard",), BIDS])
def test_a_tier_without_batches_is_told(make_sandbox: MakeSandbox, deliveries: tuple[str, ...]) -> None:
    box = make_sandbox(tier="free")
    _, error = walk(box.url, shard(*numbered_items(3), deliveries=deliveries))
    assert isinstance(error, errors.PlanForbids)
    assert len(asked(box)) == 1


META = {"currency": "USD"}
ITEM = {
    "item_id": 1,
    "market_hash_name": "AK-47",
    "quotes": [{"provider": "steam", "lowest_ask": 1, "quantity": 1}],
}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"meta": {"currency": "EUR"}}, "asked for USD, got EUR"),
        ({"items": [ITEM]}, "no answer for 2 entries"),
        ({"items": [ITEM], "items_not_found": [2]}, "no answer for 1 entries"),
        ({"items": [ITEM, {**ITEM, "item_id": 8, "market_hash_name": "M4A4"}]}, "not asked for M4A4"),
        ({"items": [ITEM], "items_not_found": [2], "names_not_found": ["Name"]}, None),
        ({"items": [ITEM], "items_not_found": [2, 77]}, None),
        ({"items": [{**ITEM, "quotes": [{"provider": "skinport", "lowest_ask": 1, "quantity": 1}]}],
          "items_not_found": [2], "names_not_found": ["Name"]}, "not asked for skinport"),
        ({"items": None}, "/v1/prices/batch"),
    ],
)  # fmt: skip
def test_silence_is_no_answer(answer: dict[str, object], told: str | None) -> None:
    wanted = shard(Item("1", "AK-47", None), Item("2", "AWP", None), Item(None, "Name", None))
    (entries,) = split_into_batches(wanted, "cs2cap")
    body = json.dumps({"meta": META, "items": [], "items_not_found": [], **answer}).encode()
    if told is None:
        page, _ = parse_batch_page(entries, lambda: body, NOON)
        assert page.rows.height == 1
        return
    with pytest.raises(errors.UnexpectedResponse, match=told):
        parse_batch_page(entries, lambda: body, NOON)


def test_one_refused_request_does_not_hide_behind_the_others(sandbox: Sandbox) -> None:
    sandbox.fault("status_500", path="/v1/prices/batch", status=418, after=1)
    landing, error = walk(sandbox.url, shard(*numbered_items(300)))
    assert isinstance(error, errors.RequestRejected)
    assert error.status == 418
    assert len(landing.pages) < 3

"""A single marketplace is read only from a server that is proven to list it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from common.errors import RequestRejected, UnexpectedResponse
from connectors.base import ExtractResult
from connectors.skinshark.connector import SkinShark
from connectors.skinshark.listing import WHOLE_LISTING, ListingQuery, PageRange, parse_page_info
from connectors.skinshark.markets import MARKETS
from sandbox.core import Sandbox
from tests.support.cs2cap import PageCollector
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import listed_prices, listing_shard, make_skinshark

NUMBERS = {"c5": 3, "ecosteam": 4}
PROBE = "page=1&limit=1&market=1&includeFees=false"
PHASED = {"standard": 3, "phases": {"Ruby": 4}}
DOPPLER = {"standard": 3, "marketHashName": "\u2605 Karambit | Doppler (Factory New)"}


async def extract(connector: SkinShark, market: str, collector: PageCollector) -> ExtractResult:
    try:
        return await connector.extract(listing_shard(market), collector)
    finally:
        await connector.aclose()


def queries(sandbox: Sandbox) -> list[str]:
    return [entry.query for entry in sandbox.skinshark.requests.since(0)]


@pytest.mark.parametrize(("market", "number"), NUMBERS.items())
def test_marketplace_is_read_after_one_proof(sandbox: Sandbox, market: str, number: int) -> None:
    connector, collector = make_skinshark(sandbox.url, market), PageCollector()

    async def work() -> None:
        await connector.items()
        await extract(connector, market, collector)

    asyncio.run(work())
    rows = collector.rows.select("item_id", "phase", "delivery", "price").iter_rows()
    assert {(*key, float(price)) for *key, price in rows} == listed_prices(sandbox, number) != set()
    assert queries(sandbox) == [PROBE, *[f"page=1&limit=-1&market={number}&includeFees=false"] * 2]


@pytest.mark.parametrize("market", NUMBERS)
def test_listing_of_a_server_that_ignores_the_market_is_not_read(
    make_sandbox: MakeSandbox, market: str
) -> None:
    sandbox, collector = make_sandbox(phases="new"), PageCollector()
    with pytest.raises(UnexpectedResponse, match="ignores the parameter `market`") as refused:
        asyncio.run(extract(make_skinshark(sandbox.url, market), market, collector))
    assert 'set market = "all"' in str(refused.value)
    assert refused.value.request_id
    assert (collector.pages, queries(sandbox)) == ([], [PROBE])


@pytest.mark.parametrize("details", [None, [{"path": ["market"], "message": "unknown"}], [{"path": []}]])
def test_server_that_knows_no_market_is_named(sandbox: Sandbox, details: Any) -> None:
    collector = PageCollector()
    sandbox.skinshark.fault("VALIDATION_FAILED", times=None, params={"details": details})
    with pytest.raises(UnexpectedResponse, match="refuses the parameter `market`"):
        asyncio.run(extract(make_skinshark(sandbox.url, "c5"), "c5", collector))
    assert collector.pages == []


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("NOT_FOUND", {}),
        ("too_large", {}),
        ("VALIDATION_FAILED", {"details": [{"path": ["includeFees"], "message": "no"}]}),
    ],
)
def test_refusal_for_another_reason_proves_nothing(
    sandbox: Sandbox, kind: str, params: dict[str, Any]
) -> None:
    sandbox.skinshark.fault(kind, params=params)
    with pytest.raises(RequestRejected):
        asyncio.run(extract(make_skinshark(sandbox.url, "c5"), "c5", PageCollector()))
    assert queries(sandbox) == [PROBE]


@pytest.mark.parametrize(
    ("market", "fields", "message"),
    [
        (
            "c5",
            PHASED,
            "C5Game alone cannot be read: C5Game has no prices of phases",
        ),
        (
            "ecosteam",
            {"instant": 3},
            "ECOSteam has no instant prices, and 2 rows of a page have",
        ),
        ("ecosteam", {"phases": {"Ruby": {"standard": 4, "instant": 5}}}, "ECOSteam has no instant prices"),
        ("all", {**PHASED, "instant": 3}, None),
        ("c5", {"instant": 3, "standard": 4, "phases": {}}, None),
        ("ecosteam", PHASED, None),
    ],
)
def test_page_with_prices_that_the_market_cannot_have_is_unexpected(
    market: str, fields: dict[str, Any], message: str | None
) -> None:
    row = {"itemId": "7", "marketHashName": "AWP", "standard": None, "instant": None, **fields}
    query, rows = ListingQuery("shark", MARKETS[market], None), [row, {**row, "itemId": "8"}]
    if message is None:
        assert len(parse_page_info(query, PageRange(0, WHOLE_LISTING), listing_of(rows))[0].fitting) == 2
    else:
        with pytest.raises(UnexpectedResponse, match=message):
            parse_page_info(query, PageRange(0, WHOLE_LISTING), listing_of(rows))


def listing_of(rows: list[dict[str, Any]]) -> bytes:
    """Return a listing of these rows as one page."""
    listing = {"items": rows, "total": len(rows), "page": 1, "limit": -1, "totalPages": 1}
    return json.dumps(listing).encode()


@pytest.mark.parametrize(
    ("market", "fields", "fitting", "rejects"),
    [
        ("c5", [PHASED], 0, 1),
        ("c5", [PHASED, {"standard": 3}], 1, 1),
        ("c5", [PHASED] * 2 + [DOPPLER] * 20, 20, 2),
        ("c5", [PHASED] * 2 + [{"standard": 3}] * 20, None, None),  # a guard: Dopplers are few
        ("ecosteam", [{"instant": 3}, {"standard": 3}], 1, 1),
        ("ecosteam", [{"instant": 3}] * 2 + [{"standard": 3}] * 20, 20, 2),
        ("ecosteam", [{"instant": 3}] * 3 + [{"standard": 3}] * 20, None, None),  # a guard
    ],
)
def test_single_rows_that_the_market_cannot_have_are_rejects(
    market: str, fields: list[dict[str, Any]], fitting: int | None, rejects: int | None
) -> None:
    """New but for the guards: one such row used to fail the whole listing."""
    query = ListingQuery("shark", MARKETS[market], None)
    empty = {"marketHashName": "AWP", "standard": None, "instant": None}
    rows = [{**empty, "itemId": str(number), **row} for number, row in enumerate(fields)]
    if fitting is None:
        with pytest.raises(UnexpectedResponse, match="alone cannot be read"):
            parse_page_info(query, PageRange(0, WHOLE_LISTING), listing_of(rows))
        return
    decoded, info = parse_page_info(query, PageRange(0, WHOLE_LISTING), listing_of(rows))
    assert (len(decoded.fitting), len(decoded.rejects)) == (fitting, rejects)
    assert info.received_rows == info.distinct_rows == len(rows)

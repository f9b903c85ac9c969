"""SkinShark's offers of an item, what a deposit pays, and which routes take On-Behalf-Of."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.clock import DAY, HOUR
from sandbox.core import Sandbox
from sandbox.market.catalog import Item
from sandbox.skinshark.listing import FIRST_ID
from sandbox.skinshark.market_routes import build_sell_prices
from sandbox.skinshark.merchant import FIRST_KEY, SUB_USER
from tests.support import patient
from tests.support.sandboxes import MakeSandbox

MERCHANT_ROUTES = ("/merchant", "/merchant/fees", "/market/prices")
USER_ROUTES = ("/user", "/market/sell/prices", f"/market/items/{FIRST_ID + 1}/listings")
REFUSED = (403, "FORBIDDEN")
UNKNOWN = (404, "USER_NOT_FOUND")
NEEDED = (422, "VALIDATION_FAILED")


def get(sandbox: Sandbox, path: str, user: str | None = None, **query: Any) -> httpx.Response:
    headers = {"api-key": FIRST_KEY, **({} if user is None else {"On-Behalf-Of": user})}
    return patient.get(sandbox.url + path, params=query, headers=headers)


def outcome(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json().get("error", {}).get("key", "")


@pytest.mark.parametrize(
    ("sub_user", "path", "user", "expected"),
    [
        *(("optional", path, None, (200, "")) for path in (*MERCHANT_ROUTES, *USER_ROUTES)),
        *(("required", path, None, (200, "")) for path in MERCHANT_ROUTES),
        *(("required", path, None, NEEDED) for path in USER_ROUTES),
        *(
            (reading, path, user, expected)
            for reading in ("optional", "required")
            for paths, user, expected in (
                (USER_ROUTES, SUB_USER[0], (200, "")),
                (USER_ROUTES, SUB_USER[1], (200, "")),
                (USER_ROUTES, "customer-9", UNKNOWN),
                (MERCHANT_ROUTES, SUB_USER[0], REFUSED),
                (MERCHANT_ROUTES, "customer-9", REFUSED),
            )
            for path in paths
        ),
    ],
)
def test_on_behalf_of_by_route_as_documented(
    make_sandbox: MakeSandbox, sub_user: str, path: str, user: str | None, expected: tuple[int, str]
) -> None:
    """The guides take requests without the header where the contract requires it; both are tried."""
    assert outcome(get(make_sandbox(sub_user=sub_user), path, user)) == expected


def crowded(sandbox: Sandbox) -> Item:
    """Return an item with several pages of offers."""
    offers, now = sandbox.skinshark.offers, sandbox.clock.us()
    return max(
        (item for item in sandbox.market.board.catalog.items if item.phase is None),
        key=lambda item: len(offers.at(item, now)),
    )


def read(sandbox: Sandbox, item: Item, **query: Any) -> dict[str, Any]:
    data: dict[str, Any] = get(sandbox, f"/market/items/{FIRST_ID + item.item_id}/listings", **query).json()[
        "data"
    ]
    return data


def test_pages_of_offers_are_the_ledgers_cheapest_first(sandbox: Sandbox) -> None:
    item = crowded(sandbox)
    expected = sandbox.skinshark.offers.at(item, sandbox.clock.us())
    pages = [read(sandbox, item, page=page) for page in range(1, 5)]
    rows = [row for page in pages for row in page["items"]]
    assert len(expected) > 100
    assert [(row["id"], round(row["price"] * 100)) for row in rows] == [
        (each.id, each.price) for each in expected
    ]
    assert {page["total"] for page in pages} == {len(expected)}
    assert [each.price for each in expected] == sorted(each.price for each in expected)


def test_offers_are_selected_by_delivery_and_wear(sandbox: Sandbox) -> None:
    item = crowded(sandbox)
    every = sandbox.skinshark.offers.at(item, sandbox.clock.us())
    instant = [each.id for each in every if each.delivery == "instant"]
    assert [row["id"] for row in read(sandbox, item, delivery="instant")["items"]] == instant[:100] != []
    worn = read(sandbox, item, wearMin=0.2, wearMax=0.4)["items"]
    assert {row["wear"] is not None and "0.2" <= row["wear"] < "0.4" for row in worn} <= {True}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"limit": 101}, NEEDED),
        ({"page": 0}, NEEDED),
        ({"wearMin": 0.1}, NEEDED),
        ({"wearMin": 2, "wearMax": 3}, NEEDED),
        ({"delivery": "slow"}, NEEDED),
        ({"phase": "Phase 9"}, NEEDED),
        ({"market": 1}, (400, "BAD_REQUEST")),
    ],
)
def test_wrong_query_of_offers_is_refused(
    sandbox: Sandbox, query: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert outcome(get(sandbox, USER_ROUTES[-1], **query)) == expected


def test_offers_sell_and_appear_with_the_clock_in_the_same_way_each_time(
    sandbox: Sandbox, make_sandbox: MakeSandbox
) -> None:
    item, now = crowded(sandbox), sandbox.clock.us()
    offers, again = sandbox.skinshark.offers, make_sandbox().skinshark.offers
    first, later = (offers.at(item, at) for at in (now, now + DAY))
    assert again.at(item, now) == first
    at_first, at_last = ({each.id for each in listed} for listed in (first, later))
    gone, new = at_first - at_last, at_last - at_first
    assert gone
    assert new
    assert {each.sold_at <= now + DAY for each in first if each.id in gone} == {True}
    assert [each for each in offers.at(item, now + HOUR) if each.sold_at <= now + HOUR] == []


@pytest.mark.parametrize("kind", ["sold", "offered"])
def test_fault_changes_the_offers_before_a_page(sandbox: Sandbox, kind: str) -> None:
    item = crowded(sandbox)
    path = f"/market/items/{FIRST_ID + item.item_id}/listings"
    sandbox.skinshark.fault(kind, path=path, after=1, params={"count": 3})
    before, after = (read(sandbox, item, page=page) for page in (1, 2))
    assert after["total"] - before["total"] == (-3 if kind == "sold" else 3)


def test_sell_prices_are_one_answer_by_name(sandbox: Sandbox) -> None:
    rows = get(sandbox, "/market/sell/prices").json()["data"]
    assert rows == build_sell_prices(sandbox.market, sandbox.sync())
    assert {row["accepted"] for row in rows} == {True, False}
    assert get(sandbox, "/market/sell/prices", limit=5).json()["data"] == rows[:5]
    name = rows[0]["marketHashName"]
    found = get(sandbox, "/market/sell/prices", search=name).json()["data"]
    assert name in {row["marketHashName"] for row in found}
    assert len(found) < len(rows)


@pytest.mark.parametrize("query", [{"limit": 5001}, {"limit": 0}, {"search": ""}])
def test_wrong_query_of_sell_prices_is_refused(sandbox: Sandbox, query: dict[str, Any]) -> None:
    assert outcome(get(sandbox, "/market/sell/prices", **query)) == NEEDED


def test_change_of_the_need_of_the_header_is_checked(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="optional, required"):
        sandbox.skinshark.use_sub_user("maybe")

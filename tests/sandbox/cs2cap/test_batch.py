"""Batches: the quotes of single requests, items without quotes, and refused requests."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.clock import parse_iso
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.http_types import ApiRequest
from sandbox.market.providers import KEYS
from sandbox.market.sides import ASKS, BIDS, BUYERS, BookSide
from sandbox.options import Options
from tests.support import patient
from tests.support.sandbox_series import AUTHORIZATION, respond
from tests.support.sandboxes import MakeSandbox

SIDES = pytest.mark.parametrize("side", [ASKS, BIDS], ids=["prices", "bids"])
DOPPLER = "★ Karambit | Doppler (Factory New)"
BEARER = {"Authorization": f"Bearer {VALID_KEY}"}


def post_batch(sandbox: Sandbox, side: BookSide = ASKS, **body: Any) -> httpx.Response:
    return patient.post(f"{sandbox.url}{side.path}/batch", json=body, headers=BEARER)


@given(
    ids=st.lists(st.integers(1, 80), min_size=1, max_size=30),
    providers=st.sets(st.sampled_from([KEYS[position] for position in BUYERS]), max_size=4),
    currency=st.sampled_from(["USD", "EUR", "KWD", "BTC"]),
    side=st.sampled_from([ASKS, BIDS]),
)
@settings(max_examples=30)
def test_batch_has_the_quotes_of_the_ledger(
    ids: list[int], providers: set[str], currency: str, side: BookSide
) -> None:
    sandbox = Sandbox(Options(items=60, frozen=parse_iso("2026-06-01T12:00:00Z"), limits=False))
    body = {"item_ids": ids, "providers": sorted(providers), "currency": currency}
    request = ApiRequest("POST", f"{side.path}/batch", headers=AUTHORIZATION, body=json.dumps(body).encode())
    _, response = respond(sandbox, request)
    known_ids = [item_id for item_id in dict.fromkeys(ids) if item_id <= 60]
    expected = sandbox.ledger(
        currency=currency, providers=sorted(providers) or None, item_ids=known_ids, bids=side is BIDS
    )
    quotes = [
        (item["item_id"], quote["provider"], quote[side.price], quote[side.decimal], quote[side.quantity])
        for item in response["items"]
        for quote in item["quotes"]
    ]
    names = ["item_id", "provider", side.price, side.decimal, side.quantity]
    assert quotes == expected.select(names).rows()
    found_ids = [item["item_id"] for item in response["items"]]
    assert sorted(found_ids + response["items_not_found"]) == sorted(set(ids))
    assert response["meta"]["found_item_count"] == len(found_ids)
    assert response["meta"]["requested_item_count"] == len(ids)


@SIDES
def test_batch_times_are_whole_seconds(sandbox: Sandbox, side: BookSide) -> None:
    response = post_batch(sandbox, side, item_ids=list(range(1, 101))).json()
    quotes = [quote for item in response["items"] for quote in item["quotes"]]
    times = [quote["timestamp"] for quote in quotes if quote["timestamp"]]
    assert all(len(time) == len("2026-06-01T12:00:00Z") for time in times)
    exact = sandbox.ledger(item_ids=list(range(1, 101)), bids=side is BIDS)["timestamp"].drop_nulls()
    assert [parse_iso(time) for time in times] == exact.dt.truncate("1s").to_list()
    assert exact.dt.microsecond().max()
    assert response["meta"]["generated_at"] == "2026-06-01T12:00:00Z"


@SIDES
def test_name_selects_the_aggregate_and_id_its_item(sandbox: Sandbox, side: BookSide) -> None:
    items_of_name = sandbox.market.board.catalog.by_name[DOPPLER]
    aggregate, ruby = (next(one for one in items_of_name if one.phase == phase) for phase in (None, "Ruby"))
    response = post_batch(
        sandbox, side, item_ids=[ruby.item_id], market_hash_names=[DOPPLER, "No such thing"]
    ).json()
    items = [(item["item_id"], item["market_hash_name"], item.get("phase")) for item in response["items"]]
    assert items == [(ruby.item_id, DOPPLER, "Ruby"), (aggregate.item_id, DOPPLER, None)]
    assert response["names_not_found"] == ["No such thing"]
    assert response["items_not_found"] == []


def test_id_without_a_quote_is_reported_once_as_not_found(sandbox: Sandbox) -> None:
    sandbox.vanish(sandbox.ledger(item_ids=[7]).height, item_ids=[7])
    name = sandbox.market.board.catalog.by_id[7].name
    response = post_batch(sandbox, item_ids=[7, 10**6, 8, 8], market_hash_names=[name]).json()
    assert [item["item_id"] for item in response["items"]] == [8]
    assert response["items_not_found"] == [10**6, 7]
    assert response["names_not_found"] == []
    assert "names_not_found" not in post_batch(sandbox, item_ids=[7]).json()


def test_batch_has_no_links(sandbox: Sandbox) -> None:
    quote = post_batch(sandbox, item_ids=[1]).json()["items"][0]["quotes"][0]
    assert set(quote) == {
        "provider",
        "lowest_ask",
        "lowest_ask_decimal",
        "quantity",
        "timestamp",
        "last_updated",
    }


@SIDES
def test_batch_has_at_most_100_items(sandbox: Sandbox, side: BookSide) -> None:
    ids = list(range(1, 101))
    assert post_batch(sandbox, side, item_ids=ids).status_code == 200
    refused = post_batch(sandbox, side, item_ids=ids, market_hash_names=["Kilowatt Case"])
    assert (refused.status_code, set(refused.json())) == (400, {"detail"})


@SIDES
@pytest.mark.parametrize(
    ("body", "error_type", "location"),
    [
        ({}, "value_error", []),
        ({"item_ids": [], "market_hash_names": None}, "value_error", []),
        ({"item_ids": ["AK"]}, "integer_type", ["item_ids", 0]),
        ({"item_ids": [True]}, "integer_type", ["item_ids", 0]),
        ({"item_ids": 7}, "list_type", ["item_ids"]),
        ({"market_hash_names": ["Kilowatt Case", 7]}, "string_type", ["market_hash_names", 1]),
        ({"item_ids": [1], "providers": ["steam", "nobody"]}, "enum", ["providers", 1]),
        ({"item_ids": [1], "currency": "ZZZ"}, "value_error", ["currency"]),
        ({"item_ids": [1], "currency": ["USD"]}, "string_type", ["currency"]),
        ({"item_ids": [1], "limit": 5}, "extra_forbidden", ["limit"]),
    ],
)
def test_wrong_body_is_a_422(
    sandbox: Sandbox, side: BookSide, body: dict[str, Any], error_type: str, location: list[Any]
) -> None:
    response = post_batch(sandbox, side, **body)
    assert response.status_code == 422
    assert response.json()["code"] == "VALIDATION_ERROR"
    assert [(error["type"], error["loc"]) for error in response.json()["detail"]] == [
        (error_type, ["body", *location])
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]"])
def test_body_that_is_not_an_object_is_a_422(sandbox: Sandbox, body: bytes) -> None:
    response = patient.post(f"{sandbox.url}/v1/prices/batch", content=body, headers=BEARER)
    assert response.json()["detail"][0]["type"] == "dict_type"


@SIDES
def test_free_plan_has_no_batches(make_sandbox: MakeSandbox, side: BookSide) -> None:
    refused = post_batch(make_sandbox(tier="free"), side, item_ids=[1])
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    assert post_batch(make_sandbox(tier="starter"), side, item_ids=[1]).status_code == 200


def test_batch_costs_one_request(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="starter", limits=True)
    post_batch(sandbox, item_ids=list(range(1, 101)))
    assert sandbox.key(VALID_KEY).used == 1


def test_batch_requires_post(sandbox: Sandbox) -> None:
    assert patient.get(f"{sandbox.url}/v1/prices/batch", headers=BEARER).status_code == 405

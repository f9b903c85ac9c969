"""SkinShark's rules: keys, addresses, account, token bucket, envelope and listing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.core import Sandbox
from sandbox.skinshark.account import MERCHANT_ID
from sandbox.skinshark.merchant import FIRST_KEY, SECOND_KEY, SUB_USER
from tests.support import patient
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import listed_rows

PRICES = "/market/prices"


def get(
    sandbox: Sandbox, path: str = PRICES, headers: dict[str, str] | None = None, **query: Any
) -> httpx.Response:
    headers_or_key = {"api-key": FIRST_KEY} if headers is None else headers
    return patient.get(sandbox.url + path, params=query, headers=headers_or_key)


def read_error(response: httpx.Response) -> tuple[int, int, str]:
    """Return status, code and key of an envelope with an error."""
    body = response.json()
    assert (body["success"], "data" in body, bool(body["requestId"])) == (False, False, True)
    return response.status_code, body["error"]["code"], body["error"]["key"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (401, 1104, "MISSING_API_KEY")),
        ({"X-API-Key": FIRST_KEY}, (401, 1104, "MISSING_API_KEY")),
        ({"Authorization": f"Bearer {FIRST_KEY}"}, (401, 1104, "MISSING_API_KEY")),
        ({"api-key": "sk_live_nobody_knows"}, (401, 1105, "INVALID_API_KEY")),
    ],
)
@pytest.mark.parametrize("path", ["/merchant", PRICES])
def test_key_is_read_from_one_header_only(
    sandbox: Sandbox, path: str, headers: dict[str, str], expected: tuple[int, int, str]
) -> None:
    assert read_error(get(sandbox, path, headers)) == expected


@pytest.mark.parametrize("path", ["/merchant", "/merchant/fees", "/merchant/users/u1", PRICES])
@pytest.mark.parametrize("user", ["u1", *SUB_USER])
def test_routes_of_the_merchant_refuse_a_sub_user(sandbox: Sandbox, path: str, user: str) -> None:
    response = get(sandbox, path, {"api-key": FIRST_KEY, "On-Behalf-Of": user})
    assert read_error(response) == (403, 1300, "FORBIDDEN")


@pytest.mark.parametrize("path", ["/user", "/user/wallet/balance", "/market/sell/prices", "/merchants"])
def test_foreign_sub_user_is_not_found(sandbox: Sandbox, path: str) -> None:
    response = get(sandbox, path, {"api-key": FIRST_KEY, "On-Behalf-Of": "u1"})
    assert read_error(response) == (404, 1307, "USER_NOT_FOUND")


def test_profile_is_that_of_the_merchant_or_of_a_sub_user(sandbox: Sandbox) -> None:
    key = {"api-key": FIRST_KEY}
    headers = (key, *({**key, "On-Behalf-Of": user} for user in SUB_USER))
    profiles = [get(sandbox, "/user", each).json()["data"] for each in headers]
    assert profiles[1] == profiles[2] != profiles[0]
    assert [profile["id"] for profile in profiles[:2]] == [MERCHANT_ID, SUB_USER[1]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/merchant/api-keys"),
        ("DELETE", "/merchant/api-keys/7"),
        ("GET", "/merchant/webhooks"),
        ("PATCH", "/merchant/settings"),
        ("PATCH", "/merchant/fees"),
        ("GET", "/merchant/audit-logs"),
        ("GET", "/merchant/exports/trades"),
    ],
)
def test_routes_of_the_dashboard_are_forbidden(sandbox: Sandbox, method: str, path: str) -> None:
    response = patient.request(method, sandbox.url + path, headers={"api-key": FIRST_KEY})
    assert read_error(response) == (403, 1300, "FORBIDDEN")


@pytest.mark.parametrize(
    ("phases", "fees"), [("old", {"merchantFeeBps"}), ("new", {"buyFeeBps", "sellFeeBps"})]
)
def test_fees_have_the_fields_of_the_shape(make_sandbox: MakeSandbox, phases: str, fees: set[str]) -> None:
    sandbox = make_sandbox(phases=phases)
    every = {"merchantFeeBps", "buyFeeBps", "sellFeeBps"}
    for path in ("/merchant", "/merchant/fees"):
        data = get(sandbox, path).json()["data"]
        assert data.keys() & every == fees
        assert {data[name] for name in fees} == {500}
        assert "childDefaultFeeBps" in data


def test_two_keys_are_valid_until_one_is_revoked(sandbox: Sandbox) -> None:
    assert [get(sandbox, headers={"api-key": key}).status_code for key in (FIRST_KEY, SECOND_KEY)] == [
        200,
        200,
    ]
    sandbox.skinshark.merchant.revoke(FIRST_KEY)
    assert read_error(get(sandbox)) == (401, 1106, "API_KEY_REVOKED")
    assert get(sandbox, headers={"api-key": SECOND_KEY}).status_code == 200


def test_key_pinned_to_other_addresses_is_refused(sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.pin("203.0.113.7")
    assert read_error(get(sandbox)) == (403, 1305, "API_KEY_IP_DENIED")
    sandbox.skinshark.merchant.pin("203.0.113.7", "127.0.0.1")
    assert get(sandbox).status_code == 200


@pytest.mark.parametrize(
    ("state", "code", "key"),
    [
        ("suspended", 1301, "ACCOUNT_SUSPENDED"),
        ("deleted", 1302, "ACCOUNT_DELETED"),
        ("locked", 1303, "ACCOUNT_LOCKED"),
        ("unverified", 1304, "EMAIL_NOT_VERIFIED"),
    ],
)
def test_inactive_account_is_refused(sandbox: Sandbox, state: str, code: int, key: str) -> None:
    sandbox.skinshark.merchant.state = state
    assert read_error(get(sandbox)) == (403, code, key)


@pytest.mark.slow
@pytest.mark.parametrize(("tier", "tokens"), [("standard", 60), ("premium", 180), ("enterprise", 360)])
def test_token_bucket_refills_and_reports_nothing_until_empty(
    make_sandbox: MakeSandbox, tier: str, tokens: int
) -> None:
    """A listing of an item costs five tokens, any other request one, the prices of all items included."""
    sandbox = make_sandbox(limits=True, merchant=tier)
    listings = ["/market/items/7/listings", f"/market/listings/{SUB_USER[1]}"]
    responses = [get(sandbox, path) for path in listings * (tokens // 10 - 1)]
    responses += [get(sandbox, limit=1) for _ in range(10)]
    assert {response.status_code for response in responses} == {200, 404}
    assert not [name for response in responses for name in response.headers if "ratelimit" in name]
    empty = get(sandbox, "/merchant")
    assert read_error(empty) == (429, 1005, "RATE_LIMITED")
    sandbox.advance(int(empty.headers["retry-after"]))
    assert get(sandbox, "/merchant").status_code == 200


def test_full_listing_equals_its_pages(sandbox: Sandbox) -> None:
    full = get(sandbox, limit=-1).json()["data"]
    pages = [get(sandbox, limit=100, page=page).json()["data"] for page in range(1, 5)]
    assert [row for page in pages for row in page["items"]] == full["items"]
    assert {(page["total"], page["totalPages"], page["limit"]) for page in pages} == {(full["total"], 3, 100)}
    assert (full["page"], full["totalPages"], len(full["items"])) == (1, 1, full["total"])
    assert len(get(sandbox).json()["data"]["items"]) == 100


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"limit": 501}, (422, 1001, "VALIDATION_FAILED")),
        ({"limit": 0}, (422, 1001, "VALIDATION_FAILED")),
        ({"page": 0}, (422, 1001, "VALIDATION_FAILED")),
        ({"includeFees": "no"}, (422, 1001, "VALIDATION_FAILED")),
        ({"market": 2}, (400, 1002, "BAD_REQUEST")),
    ],
)
def test_wrong_query_is_refused(
    sandbox: Sandbox, query: dict[str, Any], expected: tuple[int, int, str]
) -> None:
    response = get(sandbox, **query)
    assert read_error(response) == expected
    if expected[0] == 422:
        (detail,) = response.json()["error"]["meta"]["details"]
        assert detail["path"] == list(query)


def test_listing_is_the_market_that_cs2cap_serves(sandbox: Sandbox) -> None:
    c5 = {row["marketHashName"]: row["standard"] for row in listed_rows(sandbox, 3)}
    ledger = sandbox.ledger(providers=["c5"])
    lowest: dict[str, int] = {}
    for name, cents in ledger.select("market_hash_name", "lowest_ask").iter_rows():
        lowest[name] = min(cents, lowest.get(name, cents))
    assert {name: round(price * 100) for name, price in c5.items() if price is not None} == lowest != {}


def test_ecosteam_has_phases_and_no_instant_delivery(sandbox: Sandbox) -> None:
    eco, c5, blended = (listed_rows(sandbox, market) for market in (4, 3, 0))
    assert {row["instant"] for row in eco} == {None}
    assert [row for row in eco if "phases" in row]
    assert not [row for row in c5 if "phases" in row]
    lower = [
        min((price for price in (a["standard"], b["standard"]) if price is not None), default=None)
        for a, b in zip(eco, c5, strict=True)
    ]
    assert [row["standard"] for row in blended] == lower
    assert None in lower


def test_new_shape_has_both_prices_of_a_phase_and_ignores_the_market(make_sandbox: MakeSandbox) -> None:
    old, new = (make_sandbox(phases=phases) for phases in ("old", "new"))
    rows = listed_rows(new)
    phased = [row for row in rows if "phases" in row]
    for row, before in zip(rows, listed_rows(old), strict=True):
        standard = {phase: prices["standard"] for phase, prices in row.get("phases", {}).items()}
        assert {**row, "phases": standard} == {"phases": {}, **before}
    instants = [prices["instant"] for row in phased for prices in row["phases"].values()]
    assert None in instants
    assert [price for price in instants if price is not None]
    assert all(
        row["instant"] <= price["instant"]
        for row in phased
        for price in row["phases"].values()
        if price["instant"] is not None
    )
    combined = get(new, limit=-1).json()["data"]
    assert [get(new, limit=-1, market=market).json()["data"] for market in (1, 3, 4)] == [combined] * 3


def test_price_includes_the_fee_by_default(sandbox: Sandbox) -> None:
    raw = get(sandbox, limit=-1, includeFees="false").json()["data"]["items"]
    default = get(sandbox, limit=-1).json()["data"]["items"]
    pairs = [(a["standard"], b["standard"]) for a, b in zip(raw, default, strict=True) if a["standard"]]
    assert pairs
    assert all(round(cost * 105) <= round(price * 100) <= round(cost * 105) + 1 for cost, price in pairs)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("BAD_REQUEST", (400, 1002, "BAD_REQUEST")),
        ("NOT_FOUND", (404, 1003, "NOT_FOUND")),
        ("UNAUTHORIZED", (401, 1100, "UNAUTHORIZED")),
        ("USER_NOT_OWNED", (403, 1306, "USER_NOT_OWNED")),
        ("MAINTENANCE_MODE", (503, 1007, "MAINTENANCE_MODE")),
        ("MARKET_UNAVAILABLE", (503, 2000, "MARKET_UNAVAILABLE")),
        ("MARKET_TIMEOUT", (504, 2001, "MARKET_TIMEOUT")),
        ("LISTING_NOT_FOUND", (404, 2011, "LISTING_NOT_FOUND")),
        ("PRICING_UNAVAILABLE", (503, 2109, "PRICING_UNAVAILABLE")),
        ("SELL_DISABLED", (403, 0, "SELL_DISABLED")),
        ("INTERNAL", (500, 1006, "INTERNAL")),
    ],
)
def test_fault_fails_one_request(sandbox: Sandbox, kind: str, expected: tuple[int, int, str]) -> None:
    sandbox.skinshark.fault(kind)
    assert read_error(get(sandbox)) == expected
    assert get(sandbox).status_code == 200
    assert [entry.status for entry in sandbox.skinshark.requests.since(0)] == [expected[0], 200]


def test_fault_raises_an_error_of_any_key(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("error", params={"key": "SOMETHING_NEW", "status": 403, "details": [1]})
    response = get(sandbox)
    assert read_error(response) == (403, 0, "SOMETHING_NEW")
    assert response.json()["error"]["meta"] == {"details": [1]}


def test_connection_is_dropped(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("drop")
    with pytest.raises(httpx.RemoteProtocolError):
        get(sandbox)


def test_control_route_changes_keys_and_faults(sandbox: Sandbox) -> None:
    control = f"{sandbox.url}/_sandbox/skinshark"
    assert patient.post(control, json={"revoke": FIRST_KEY}).status_code == 200
    assert read_error(get(sandbox))[2] == "API_KEY_REVOKED"
    assert patient.post(control, json={"restore": FIRST_KEY, "state": "locked"}).status_code == 200
    assert read_error(get(sandbox))[2] == "ACCOUNT_LOCKED"
    for wrong in ({"fault": "no such thing"}, {"state": "asleep"}, {"tier": "gold"}, {"phases": "odd"}):
        assert patient.post(control, json=wrong).status_code == 400
    assert patient.post(control, json={"fault": "html"}).status_code == 200
    assert get(sandbox).headers["content-type"].startswith("text/html")


def test_control_route_changes_the_shape(sandbox: Sandbox) -> None:
    assert patient.post(f"{sandbox.url}/_sandbox/skinshark", json={"phases": "new"}).status_code == 200
    assert "buyFeeBps" in get(sandbox, "/merchant").json()["data"]


def test_control_route_removes_faults(sandbox: Sandbox) -> None:
    control = f"{sandbox.url}/_sandbox/skinshark"
    assert patient.post(control, json={"fault": "INTERNAL", "times": None}).status_code == 200
    assert get(sandbox).status_code == 500
    assert patient.delete(f"{control}/faults").status_code == 200
    assert get(sandbox).status_code == 200


def test_cs2cap_is_served_too(sandbox: Sandbox) -> None:
    assert patient.get(f"{sandbox.url}/v1/prices").status_code == 401
    assert read_error(get(sandbox, "/user/wallet/balance")) == (404, 1003, "NOT_FOUND")

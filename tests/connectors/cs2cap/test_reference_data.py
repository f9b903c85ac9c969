"""The catalog, the providers, the exchange rates and the account are parsed exactly."""

import json
from decimal import Decimal
from typing import Any

import pytest

from common.errors import UnexpectedResponse
from connectors.cs2cap.account import parse_account
from connectors.cs2cap.reference_data import parse_fx, parse_items, parse_providers
from connectors.schemas import FX, ITEMS, PROVIDERS
from tests.support.clocks import NOON


def test_items_are_parsed_with_missing_fields_as_null() -> None:
    first = {"item_id": 7, "market_hash_name": "AK-47", "phase": None, "is_stattrak": True, "supply": 3}
    items = parse_items(json.dumps({"items": [first, {"market_hash_name": "M4"}]}).encode())
    assert items.schema == ITEMS
    assert items.select("item_id", "market_hash_name", "is_stattrak", "is_souvenir").rows() == [
        ("7", "AK-47", True, None),
        (None, "M4", None, None),
    ]


def test_providers_are_parsed_with_fees_and_features() -> None:
    info = {
        "key": "youpin",
        "logo": "",
        "market_type": "p2p",
        "default_currency": "CNY",
        "fees": {"sell_fee": 0.02, "insta_sell_fee": None},
        "features": {"has_buy_orders": True},
        "health": {"status": "healthy", "last_checked_at": None},
    }
    providers = parse_providers(json.dumps({"Youpin898": info}).encode())
    assert providers.schema == PROVIDERS
    assert providers.row(0) == (
        *("youpin", "Youpin898", "p2p", "CNY", 0.02, None, None, True, None, "healthy"),
    )


@pytest.mark.parametrize("status", ["up", "Degraded", "DOWN"])
@pytest.mark.parametrize("market_type", ["STORE", "P2P", "ESCROW", "TRADING", "HYBRID"])
def test_health_and_market_type_are_lower_case_whatever_the_api_sends(status: str, market_type: str) -> None:
    info = {"key": "x", "fees": {}, "features": {}, "market_type": market_type, "health": {"status": status}}
    (row,) = parse_providers(json.dumps({"X": info}).encode()).iter_rows(named=True)
    assert (row["health"], row["market_type"]) == (status.lower(), market_type.lower())


@pytest.mark.parametrize("parts", [{}, {"health": None, "fees": None, "features": None}, {"health": {}}])
def test_provider_of_which_only_the_key_is_known(parts: dict[str, Any]) -> None:
    (row,) = parse_providers(json.dumps({"X": {"key": "x", **parts}}).encode()).iter_rows(named=True)
    assert (row["provider"], row["name"]) == ("x", "X")
    assert {row["health"], row["market_type"], row["sell_fee"], row["has_recent_sales"]} == {None}


def test_two_providers_of_one_key_are_one() -> None:
    """A basket of all providers would read the marketplace twice."""
    odd: list[str] = []
    body = json.dumps({"A": {"key": "x", "market_type": "p2p"}, "B": {"key": "x"}, "C": {"key": "y"}})
    providers = parse_providers(body.encode(), on_odd=odd.append)
    assert providers.select("provider", "name").rows() == [("x", "A"), ("y", "C")]
    assert odd == ["B: left out: its key is that of A"]


def test_odd_detail_of_a_provider_costs_that_detail() -> None:
    odd: list[str] = []
    fees = b'{"sell_fee": NaN, "insta_sell_fee": 0.1}'
    body = b'{"A": {"key": "x", "fees": %b, "health": [], "market_type": 5}}' % fees
    (row,) = parse_providers(body, on_odd=odd.append).iter_rows(named=True)
    assert (row["provider"], row["sell_fee"], row["insta_sell_fee"], row["health"]) == ("x", None, 0.1, None)
    assert len(odd) == 1
    assert all(field in odd[0] for field in ("sell_fee", "market_type", "Expected `object`"))


@pytest.mark.parametrize("phase", ['""', "null"])
def test_empty_phase_of_an_item_is_none(phase: str) -> None:
    body = f'{{"items": [{{"item_id": 1, "market_hash_name": "A", "phase": {phase}}}]}}'
    assert parse_items(body.encode())["phase"].to_list() == [None]


ODD_LIMITS = ["-1", "1e30", '"many"', "99999999999999999999", "null", "NaN", "[]", "1" * 5_000]


@pytest.mark.parametrize("limit", ODD_LIMITS)
def test_limit_without_sense_is_unknown(limit: str) -> None:
    names = ("effective_quota_requests_per_month", "effective_rate_requests_per_minute")
    fields = ", ".join(f'"{name}": {limit}' for name in names)
    body = f'{{"key": {{"is_active": true, {fields}}}, "requests_this_month": {limit}}}'
    odd: list[str] = []
    account = parse_account(body.encode(), "pro", on_odd=odd.append)
    assert (account.requests_per_minute, account.requests_per_month, account.used) == (None, None, None)
    assert (account.active, account.tier) == (True, "pro")
    assert len(odd) == (0 if limit == "null" else 3)


@pytest.mark.parametrize("body", [b"{}", b'{"key": null}', b'{"key": {"is_active": "yes"}}', b"[]", b"\xff"])
def test_account_that_does_not_say_whether_its_key_is_active_is_unexpected(body: bytes) -> None:
    with pytest.raises(UnexpectedResponse):
        parse_account(body, None)


def test_rates_are_exact() -> None:
    rates = b'{"USD": 1, "btc": 0.000011412345678901, "X": 5E-6, "Y": "+1.50e2"}'
    body = b'{"timestamp": "2026-06-01T12:00:00Z", "rates": %b}' % rates
    fx = parse_fx(body, NOON.replace(hour=1))
    assert fx.schema == FX
    assert fx["rate"].to_list() == [Decimal(1), Decimal("0.000011412345678901"), Decimal("0.000005"), 150]
    assert fx["currency"].to_list() == ["USD", "BTC", "X", "Y"]
    assert set(fx["moment"]) == {NOON}
    assert set(parse_fx(b'{"rates": {"USD": 1}}', NOON)["moment"]) == {NOON}


@pytest.mark.parametrize("rate", ["0", "-1", "1e-30", "1e30", '"x"', '"NaN"', "null"])
def test_rate_that_is_not_positive_is_unexpected(rate: str) -> None:
    with pytest.raises(UnexpectedResponse):
        parse_fx(f'{{"rates": {{"USD": {rate}}}}}'.encode(), NOON)


def test_account_limit_of_zero_is_unknown() -> None:
    account = parse_account(b'{"key": {"is_active": true, "effective_rate_requests_per_minute": 0}}', None)
    assert (account.requests_per_minute, account.requests_per_month, account.used) == (None, None, None)
    assert account.active


@pytest.mark.parametrize("parse", [parse_items, parse_providers, lambda body: parse_account(body, None)])
def test_response_that_does_not_fit_is_unexpected(parse: Any) -> None:
    with pytest.raises(UnexpectedResponse):
        parse(b'{"items": 7, "detail": []}')

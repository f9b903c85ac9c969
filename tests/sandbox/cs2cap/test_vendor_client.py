"""The vendor's client works with the sandbox: independent code checks the contract."""

import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import cs2cap
import pytest
from cs2cap.models.buy_order_item import BuyOrderItem
from cs2cap.models.error_response import ErrorResponse
from cs2cap.models.market_item import MarketItem

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import REVOKED_KEY, VALID_KEY
from sandbox.market.providers import KEYS
from sandbox.market.sides import BUYERS


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[cs2cap.ApiClient]:
    with cs2cap.ApiClient(cs2cap.Configuration(host=sandbox.url, access_token=VALID_KEY)) as api:
        yield api


def test_prices(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    prices, more = cs2cap.PricesApi(client), True
    rows: list[MarketItem] = []
    while more:
        page = prices.list_prices(currency="BTC", limit=1000, offset=len(rows))
        rows += page.items
        more = page.pagination.has_next
    expected = sandbox.ledger(currency="BTC")
    assert page.pagination.total == len(rows) == expected.height
    for name in (
        "provider",
        "item_id",
        "market_hash_name",
        "phase",
        "lowest_ask",
        "lowest_ask_decimal",
        "quantity",
    ):
        assert [getattr(row, name) for row in rows] == expected[name].to_list(), name
    assert [row.timestamp for row in rows] == expected["timestamp"].to_list()
    assert [row.last_updated for row in rows] == expected["last_updated"].to_list()


def test_prices_of_one_item_at_some_providers(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    name = "★ Karambit | Doppler (Factory New)"
    request = [cs2cap.AllProviders.STEAM, cs2cap.AllProviders.BUFF163]
    page = cs2cap.PricesApi(client).list_prices(market_hash_name=name, phase="Ruby", providers=request)
    assert {row.phase for row in page.items} == {"Ruby"}
    assert page.meta.providers_queried == ["buff163", "steam"]
    assert page.meta.filters.requested_providers == ["buff163", "steam"]


def test_items(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    all_items = cs2cap.ItemsApi(client).list_items()
    catalog = sandbox.market.board.catalog.items
    assert [(item.item_id, item.market_hash_name, item.phase) for item in all_items.items] == [
        (item.item_id, item.name, item.phase) for item in catalog
    ]
    assert all_items.pagination.total == all_items.pagination.limit == len(catalog)
    assert all_items.pagination.has_next is False
    page = cs2cap.ItemsApi(client).list_items(q="karambit", limit=2)
    assert len(page.items) == 2
    assert page.pagination.has_next is True
    assert all("Karambit" in item.market_hash_name for item in page.items)
    knives = cs2cap.ItemsApi(client).list_items(weapon_type="Knife", phase="Ruby", is_stattrak=True).items
    assert {(item.weapon_type, item.phase, item.is_stattrak) for item in knives} == {("Knife", "Ruby", True)}


def test_providers(client: cs2cap.ApiClient) -> None:
    providers = cs2cap.ProvidersApi(client).list_providers()
    assert sorted(provider.key for provider in providers.values()) == sorted(KEYS)
    assert {member.value for member in cs2cap.AllProviders} == set(KEYS)
    assert providers["Steam Community Market"].key == "steam"
    assert all(0 <= (provider.fees.sell_fee or 0) < 1 for provider in providers.values())
    sellers = {provider.key for provider in providers.values() if provider.features.has_recent_sales}
    assert sellers == {member.value for member in cs2cap.RecentSalesProvider}
    assert list(cs2cap.ProvidersApi(client).list_providers(provider="buff163")) == ["BUFF163"]


def test_rates(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    sandbox.drift_fx()
    rates = cs2cap.ForeignExchangeApi(client).get_fx_rates().rates
    assert {error_code: Decimal(str(rate)) for error_code, rate in rates.items()} == dict(
        sandbox.market.rates
    )
    assert len(rates) >= 30


def columns(rows: Sequence[object], names: Iterable[str]) -> list[tuple[object, ...]]:
    return [tuple(getattr(row, name) for name in names) for row in rows]


def test_stream_of_prices(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    response = cs2cap.PricesApi(client).stream_full_prices_snapshot_with_http_info()
    rows = [MarketItem.from_json(line) for line in response.data.splitlines()]
    expected = sandbox.ledger()
    assert columns(rows, expected.columns) == expected.rows()
    assert (response.headers or {})["x-snapshot-total"] == str(len(rows))


def test_stream_of_bids(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    request = [cs2cap.BuyOrderProvider.STEAM, cs2cap.BuyOrderProvider.YOUPIN]
    text = cs2cap.BidsApi(client).stream_full_bids_snapshot(providers=request)
    rows = [BuyOrderItem.from_json(line) for line in text.splitlines()]
    expected = sandbox.ledger(bids=True, providers=["steam", "youpin"])
    assert columns(rows, expected.columns) == expected.rows()


def test_bids(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    assert {member.value for member in cs2cap.BuyOrderProvider} == {KEYS[position] for position in BUYERS}
    page = cs2cap.BidsApi(client).list_bids(currency="EUR", limit=500)
    expected = sandbox.ledger(bids=True, currency="EUR")
    assert columns(page.items, expected.columns) == expected.rows()[:500]
    assert page.pagination.total == expected.height


def test_batch_of_prices(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    request = cs2cap.BatchPricesRequest(item_ids=[1, 2, 10**6], market_hash_names=["nothing"], currency="JPY")
    response = cs2cap.PricesApi(client).batch_price_lookup(request)
    names = ("provider", "lowest_ask", "lowest_ask_decimal", "quantity")
    rows = [row for item in response.items for row in columns(item.quotes, names)]
    assert rows == sandbox.ledger(currency="JPY", item_ids=[1, 2]).select(names).rows()
    assert (response.items_not_found, response.names_not_found) == ([10**6], ["nothing"])
    assert response.meta.generated_at == sandbox.clock.now()


def test_batch_of_bids(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    response = cs2cap.BidsApi(client).batch_bid_lookup(cs2cap.BatchBidsRequest(item_ids=[1, 2, 3]))
    names = ("provider", "highest_bid", "highest_bid_decimal", "num_bids")
    rows = [row for item in response.items for row in columns(item.quotes, names)]
    assert rows == sandbox.ledger(bids=True, item_ids=[1, 2, 3]).select(names).rows()


def test_plan_without_streams_is_forbidden(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    sandbox.key(VALID_KEY, tier="starter")
    with pytest.raises(cs2cap.exceptions.ForbiddenException) as forbidden:
        cs2cap.BidsApi(client).stream_full_bids_snapshot()
    assert error_code(forbidden.value) == "FORBIDDEN"


def error_code(error: cs2cap.ApiException) -> str:
    assert isinstance(error.data, ErrorResponse)
    return str(error.data.code)


def test_errors_are_those_that_the_client_expects(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    prices = cs2cap.PricesApi(client)
    with pytest.raises(cs2cap.exceptions.UnprocessableEntityException) as invalid:
        prices.list_prices(limit=5000)
    # The client's model of a 422 takes objects only as `input`; the contract's own examples have numbers.
    assert json.loads(invalid.value.body or "")["detail"][0]["type"] == "less_than_equal"
    sandbox.fault("unavailable")
    with pytest.raises(cs2cap.exceptions.ServiceException) as unavailable:
        prices.list_prices()
    assert error_code(unavailable.value) == "PRICES_INDEX_UNAVAILABLE"
    sandbox.key(VALID_KEY, "revoked")
    with pytest.raises(cs2cap.exceptions.UnauthorizedException) as revoked:
        prices.list_prices()
    assert error_code(revoked.value) == "AUTH_API_KEY_REVOKED"


def test_revoked_key_is_unauthorized(sandbox: Sandbox) -> None:
    with (
        cs2cap.ApiClient(cs2cap.Configuration(host=sandbox.url, access_token=REVOKED_KEY)) as api,
        pytest.raises(cs2cap.exceptions.UnauthorizedException),
    ):
        cs2cap.ForeignExchangeApi(api).get_fx_rates()

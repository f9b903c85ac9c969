"""The vendor's client reads the sandbox's series: independent code checks the contract."""

from collections.abc import Iterator
from datetime import timedelta

import cs2cap
import polars as pl
import pytest
from cs2cap.models.price_snapshot import PriceSnapshot
from cs2cap.models.sale_record_detail import SaleRecordDetail

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.market.providers import KEYS, SELLERS
from tests.support.clocks import NOON
from tests.support.sandbox_series import ITEM, KEY_OF, asks_at
from tests.support.sandboxes import MakeSandbox


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox that is built quickly."""
    return make_sandbox(items=20)


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[cs2cap.ApiClient]:
    with cs2cap.ApiClient(cs2cap.Configuration(host=sandbox.url, access_token=VALID_KEY)) as api:
        yield api


def test_history(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    prices, start = cs2cap.PricesApi(client), NOON - timedelta(days=3)
    rows: list[PriceSnapshot] = []
    cursor = None
    while cursor or not rows:
        page = prices.get_price_history(item_id=ITEM, start=start, end=NOON, limit=100, cursor=cursor)
        rows += page.items
        cursor = page.pagination.next_cursor
    values = [(KEY_OF[row.provider], row.item_id, row.time, row.price, row.quantity) for row in rows]
    expected = sandbox.history([ITEM], start=start, end=NOON)
    assert values == expected.select("provider", "item_id", "time", "price", "quantity").rows()
    assert len(rows) > 100


def test_history_of_one_provider(client: cs2cap.ApiClient) -> None:
    provider = cs2cap.AllProviders.BUFF163
    page = cs2cap.PricesApi(client).get_price_history(item_id=ITEM, provider=provider, limit=5)
    assert {row.provider for row in page.items} == {"BUFF163"}
    assert page.meta.filters.provider == "buff163"


def test_candles(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    page = cs2cap.PricesApi(client).get_price_candles(item_id=ITEM, interval="1h", lookback="2d")
    assert [candle.t for candle in page.data] == sorted(candle.t for candle in page.data)
    asks = asks_at(sandbox, ITEM, page.meta.end - timedelta(minutes=5))
    last = page.data[-1]
    assert (last.c, last.providers.c) == min((price, key) for key, (price, _) in asks.items())
    assert page.meta.provider == "All Providers"


def test_sales(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    sales, cursor = cs2cap.SalesApi(client), None
    rows: list[SaleRecordDetail] = []
    while cursor or not rows:
        page = sales.list_recent_sales(item_id=ITEM, limit=10, cursor=cursor)
        rows += page.items
        cursor = page.pagination.next_cursor
    values = [(row.provider, row.item_id, row.var_date, row.price) for row in rows]
    assert values == sandbox.sales(item_ids=[ITEM]).select("provider", "item_id", "time", "price").rows()
    assert {member.value for member in cs2cap.RecentSalesProvider} == {KEYS[position] for position in SELLERS}


def test_expired_cursor_is_a_bad_request(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    prices = cs2cap.PricesApi(client)
    cursor = prices.get_price_history(item_id=ITEM, limit=5).pagination.next_cursor
    sandbox.fault("cursor_expired")
    with pytest.raises(cs2cap.exceptions.BadRequestException):
        prices.get_price_history(item_id=ITEM, limit=5, cursor=cursor)


def test_daily_points(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    sandbox.key(VALID_KEY, tier="quant")
    start = NOON - timedelta(days=40)
    chart = cs2cap.MarketIntelligenceApi(client).get_deep_price_history_chart(
        item_id=ITEM, start=start, end=NOON
    )
    rows = [
        (each.provider, point.t, point.price, point.qty)
        for each in chart.series or []
        for point in each.data or []
    ]
    expected = sandbox.daily([ITEM], start=start, end=NOON).with_columns(t=pl.col("day").dt.epoch("s"))
    assert rows == expected["provider", "t", "price", "quantity"].rows()
    assert len(rows) > 100


def test_market_figures(sandbox: Sandbox, client: cs2cap.ApiClient) -> None:
    answer = cs2cap.MarketIntelligenceApi(client).get_market_analytics_snapshot()
    rows = [
        (each.item_id, each.phase, each.summary.sales_30d, each.summary.supply) for each in answer.data.items
    ]
    stats = sandbox.api.market_stats.stats(sandbox.sync())
    assert rows == [(row.item.item_id, row.item.phase, row.sales[2], row.supply) for row in stats]
    counted = sandbox.sales().group_by("item_id").len().rows()
    assert {row.item.item_id: row.sales[2] for row in stats if row.sales[2]} == dict(counted)

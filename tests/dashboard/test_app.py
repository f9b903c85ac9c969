"""The pages: their numbers are those of SQL, hostile names stay text, nothing but GET from known hosts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dashboard.app import Dashboard
from dashboard.formatting import format_count, format_price, format_rounded
from dashboard.generations import GenerationFollower
from dashboard.prepared import PreparedMarket
from floorline.market import Market
from tests.support.clocks import NOON
from tests.support.dashboard_pages import Reader, fetch, item_path
from tests.support.reference.market import REDLINE, publish_example
from tests.support.warehouse import Quote, create_warehouse, land, load, observe
from warehouse.holdings import Holding
from warehouse.paths import WarehousePaths

RUBY = "★ Karambit | Doppler (Factory New) @ Ruby"
HOSTILE = "<script>alert(1)</script>\" onload='x' \u202e & AK-47 | (Field-Tested)"
INJECTION = "x' OR 1=1--"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    return publish_example(tmp_path_factory.mktemp("dashboard"))


@pytest.fixture(scope="module")
def dashboard(paths: WarehousePaths) -> Iterator[Dashboard]:
    with GenerationFollower(paths.published_database, partial(PreparedMarket, paths)) as follower:
        yield Dashboard(follower, ["market.test"])


def rows(paths: WarehousePaths, sql: str) -> list[dict[str, Any]]:
    with Market(paths.root) as market:
        return market.sql(sql).to_dicts()


def test_market_page_has_the_figures_of_sql(dashboard: Dashboard, paths: WarehousePaths) -> None:
    page = Reader(fetch(dashboard, "/").text)
    (best,) = rows(paths, "SELECT count(*) AS n, sum(price) AS total FROM best_ask WHERE currency = 'USD'")
    assert {format_count(best["n"]), format_rounded(best["total"])} <= set(page.texts)
    movers = rows(paths, "FROM movers('24 hours') WHERE currency = 'USD' AND change > 0")
    up = json.loads(fetch(dashboard, "/market.json?table=up").text)
    expected = sorted(movers, key=lambda row: (-row["change"], row["item"]))
    assert [row["item"] for row in up] == [row["item"] for row in expected][:8]
    assert [Decimal(row["now"]) for row in up] == [row["now"] for row in expected][:8]
    assert all(row["item"] in "".join(page.texts) for row in up)


def test_marketplaces_are_counted_as_in_the_views(dashboard: Dashboard, paths: WarehousePaths) -> None:
    found = {
        row["provider"]: row for row in json.loads(fetch(dashboard, "/market.json?table=marketplaces").text)
    }
    usd = "currency = 'USD' AND fresh AND NOT aggregate"
    for row in rows(paths, f"SELECT provider, count(*) AS quotes FROM quotes WHERE {usd} GROUP BY provider"):
        assert found[row["provider"]]["quotes"] == row["quotes"]
    best = rows(
        paths, "SELECT provider, count(*) AS n FROM best_ask WHERE currency = 'USD' GROUP BY provider"
    )
    for row in best:
        assert found[row["provider"]]["cheapest"] >= row["n"]


@pytest.mark.parametrize("item", [REDLINE, RUBY])
def test_each_number_of_an_item_page_is_that_of_sql(
    dashboard: Dashboard, paths: WarehousePaths, item: str
) -> None:
    page = Reader(fetch(dashboard, item_path(item)).text)
    asks = json.loads(fetch(dashboard, item_path(item, ".json?table=asks")).text)
    quotes = rows(paths, f"FROM quotes WHERE item = '{item}' AND currency = 'USD' ORDER BY price, provider")
    assert [row["provider"] for row in asks] == [row["provider"] for row in quotes]
    assert [Decimal(row["price"]) for row in asks] == [row["price"] for row in quotes]
    assert [row["quantity"] for row in asks] == [row["quantity"] for row in quotes]
    bids = {row["provider"]: row["price"] for row in rows(paths, f"FROM bids WHERE item = '{item}'")}
    fees = {row["provider"]: row["sell_fee"] for row in rows(paths, "FROM providers")}
    for row in asks:
        bid = bids.get(row["provider"])
        assert row["bid"] == (None if bid is None else f"{bid:f}")
        assert Decimal(row["after_fee"]) == Decimal(row["price"]) * (1 - Decimal(str(fees[row["provider"]])))
    shown = [cells[:2] for cells in page.cells if cells]
    for row in quotes:
        assert [row["provider"], format_price(row["price"])] in shown
    assert format_price(quotes[0]["price"]) in page.texts


def test_figures_count_what_best_ask_counts(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    asks = [("a", 0, 5), ("b", 90, 0), ("c", 100, 1), ("d", 110, 2), ("e", 130, 1), ("f", 150, None)]
    quotes = [Quote("1", cents, quantity, provider, name=REDLINE) for provider, cents, quantity in asks]
    land(paths, "run", observe(NOON, *quotes, providers=tuple("abcdef")), interval_seconds=60)
    load(paths)
    with Market(paths.root) as market:
        (best,) = market.best_ask(REDLINE).select("price", "provider").iter_rows()
    with GenerationFollower(paths.published_database, partial(PreparedMarket, paths)) as follower:
        page = Reader(fetch(Dashboard(follower, ["market.test"]), item_path(REDLINE)).text)
    assert best == (Decimal(1), "c")
    shown = [text for text in page.texts if text.strip()]
    assert shown[shown.index("Best ask") + 1 : shown.index("Best ask") + 3] == ["1.00", "c"]
    assert shown[shown.index("Median of 4") + 1] == "1.20"


def test_phases_and_wears_are_links(dashboard: Dashboard) -> None:
    by_name = fetch(dashboard, item_path("★ Karambit | Doppler (Factory New)"))
    by_phase = fetch(dashboard, item_path("★ Karambit | Doppler (Factory New)", "?phase=Sapphire"))
    assert "★ Karambit | Doppler (Factory New) Ruby" in "".join(Reader(by_name.text).texts)
    assert "★ Karambit | Doppler (Factory New) Sapphire" in "".join(Reader(by_phase.text).texts)
    links = Reader(by_name.text).addresses
    assert any("Sapphire" in link for link in links)
    wears = Reader(fetch(dashboard, item_path(REDLINE)).text).addresses
    assert any("Minimal%20Wear" in link for link in wears)


def test_search_finds_items_by_words(dashboard: Dashboard) -> None:
    found = json.loads(fetch(dashboard, "/items.json?q=ak redline ft").text)
    assert found[0]["item"] == REDLINE
    assert Decimal(found[0]["price"]) == Decimal("14.35")
    page = Reader(fetch(dashboard, "/items?q=redlien").text)
    assert any("No item has all of these words. These items have “redline”." in text for text in page.texts)
    assert item_path(REDLINE) in page.addresses
    nothing = fetch(dashboard, "/items?q=zzzzzzzzz").text
    assert "No item has these words." in nothing
    dearest = json.loads(fetch(dashboard, "/items.json").text)
    prices = [Decimal(row["price"]) for row in dearest]
    assert prices == sorted(prices, reverse=True)
    assert len(prices) == 7


def test_movers_are_those_of_the_macro(dashboard: Dashboard, paths: WarehousePaths) -> None:
    for window, period in (("24h", "24 hours"), ("1h", "1 hour"), ("7d", "7 days")):
        found = json.loads(fetch(dashboard, f"/movers.json?window={window}&least=0").text)
        moved = rows(paths, f"FROM movers('{period}') WHERE currency = 'USD' AND change <> 0")
        expected = sorted(moved, key=lambda row: (-abs(row["change"]), row["item"]))
        assert [(row["item"], Decimal(row["now"])) for row in found] == [
            (row["item"], row["now"]) for row in expected
        ]
    down = json.loads(fetch(dashboard, "/movers.json?direction=down&least=100").text)
    assert down
    assert all(row["change"] < 0 and Decimal(row["was"]) >= 100 for row in down)


@pytest.mark.parametrize(
    ("query", "source", "condition"),
    [
        ("least=0", "best_spreads", "true"),
        ("least=0&margin=2&sort=profit", "best_spreads", "margin >= 0.02"),
        ("least=0&buy=buff163", "best_spreads_at('buff163', NULL)", "true"),
        ("least=0&sell=steam&by=bid", "best_spreads_at(NULL, 'steam')", "sold_by = 'bid'"),
        ("least=100&most=5000&quantity=2", "best_spreads",
         "bought_price BETWEEN 100 AND 5000 AND bought_quantity >= 2"),
        ("least=NaN&most=-1&margin=x&quantity=1e99", "best_spreads", "bought_price >= 1"),
    ],
)  # fmt: skip
def test_spreads_are_those_of_the_views(
    dashboard: Dashboard, paths: WarehousePaths, query: str, source: str, condition: str
) -> None:
    found = json.loads(fetch(dashboard, f"/spreads.json?{query}").text)
    by = "profit" if "sort=profit" in query else "margin"
    wanted = rows(paths, f"FROM {source} WHERE currency = 'USD' AND margin >= 0 AND {condition}")
    expected = sorted(wanted, key=lambda row: (-row[by], row["item"]))
    assert [(row["item"], Decimal(row["profit"])) for row in found] == [
        (row["item"], row["profit"]) for row in expected
    ]
    assert fetch(dashboard, f"/spreads?{query}").status_code == 200


def test_run_shows_what_it_observed(dashboard: Dashboard, paths: WarehousePaths) -> None:
    run = "/collection/runs/20260604-1200"
    seen = json.loads(fetch(dashboard, f"{run}.json").text)
    expected = rows(paths, "FROM observations WHERE run_id = '20260604-1200'")
    assert sum(row["rows"] for row in seen) == sum(row["rows"] for row in expected)
    assert len(seen) == len(expected)
    assert "started 4 Jun 2026 12:00 UTC" in fetch(dashboard, run).text
    assert fetch(dashboard, "/collection/runs/none").status_code == 404


def test_form_shows_what_was_chosen(dashboard: Dashboard) -> None:
    page = fetch(dashboard, "/spreads?buy=steam&margin=2.5&sort=profit&least=0&most=0.50").text
    for shown in (
        'name="least" inputmode="decimal" value="0"',
        'value="0.5"',
        '<option value="steam" selected>',
        'value="2.5"',
        '<option value="profit" selected>',
    ):
        assert shown in page


def test_csv_has_the_rows_of_json(dashboard: Dashboard) -> None:
    read = csv.DictReader(io.StringIO(fetch(dashboard, item_path(REDLINE, ".csv?table=asks")).text))
    asks = json.loads(fetch(dashboard, item_path(REDLINE, ".json?table=asks")).text)
    assert [row["price"] for row in read] == [row["price"] for row in asks]
    assert fetch(dashboard, item_path(REDLINE, ".csv?table=nothing")).status_code == 404
    links = Reader(fetch(dashboard, item_path(REDLINE)).text).addresses
    for link in (each for each in links if ".csv" in each or ".json" in each):
        assert fetch(dashboard, link).status_code == 200


def test_currency_and_window_are_in_the_address(dashboard: Dashboard) -> None:
    euros = fetch(dashboard, item_path(REDLINE, ".json?currency=EUR&table=asks"))
    assert {row["price"] for row in json.loads(euros.text)} == {"12.40000000"}
    for window in ("1d", "7d", "30d", "all"):
        page = fetch(dashboard, item_path(REDLINE, f"?window={window}&show=steam,buff163"))
        assert page.text.count('class="line market-') == 2


def test_other_currencies_are_links_to_the_same_page(dashboard: Dashboard) -> None:
    page = Reader(fetch(dashboard, item_path(REDLINE, "?window=30d")).text)
    (link,) = (address for address in page.addresses if address.endswith("?window=30d&currency=EUR"))
    other = Reader(fetch(dashboard, link).text)
    assert item_path(REDLINE, "?window=30d&currency=USD") in other.addresses
    assert "12.40" in other.texts


def test_unchanged_page_is_not_sent_again(dashboard: Dashboard) -> None:
    first = fetch(dashboard, "/")
    assert fetch(dashboard, "/").content == first.content
    assert fetch(dashboard, "/", if_none_match=first.headers["etag"]).status_code == 304
    tag = first.headers["etag"]
    for known in (f"W/{tag}", f'"other", W/{tag}'):  # of a proxy that compresses; several
        assert fetch(dashboard, "/", if_none_match=known).status_code == 304
    assert fetch(dashboard, "/", if_none_match='W/"other"').status_code == 200


def test_every_response_has_the_headers_of_a_closed_page(dashboard: Dashboard) -> None:
    for path in ("/", item_path(REDLINE), "/static/floorline.css", "/nothing", item_path("nothing")):
        headers = fetch(dashboard, path).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; style-src 'self'; script-src"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in headers


def test_only_get_from_known_hosts(dashboard: Dashboard) -> None:
    assert fetch(dashboard, "/", host="evil.test").status_code == 400
    for method in ("POST", "PUT", "DELETE"):
        assert fetch(dashboard, "/", method=method).status_code == 405
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/item/..%2f..%2fetc%2fpasswd", "/nothing"):
        assert fetch(dashboard, path).status_code == 404


def test_errors_are_pages_of_the_dashboard(dashboard: Dashboard) -> None:
    for path, method, status, title in (
        ("/nothing", "GET", 404, "Not found"),
        (item_path("nothing"), "GET", 404, "Not found"),
        ("/static/nothing.css", "GET", 404, "Not found"),
        ("/", "POST", 405, "Not allowed"),
    ):
        response = fetch(dashboard, path, method=method)
        page = Reader(response.text)
        assert (response.status_code, response.headers["content-type"]) == (
            status,
            "text/html; charset=utf-8",
        )
        assert title in page.texts
        assert "/movers" in page.addresses
        assert response.headers["content-security-policy"]
    data = fetch(dashboard, item_path("nothing", ".json"))
    assert (data.status_code, data.headers["content-type"]) == (404, "text/plain; charset=utf-8")


def test_mistake_in_a_page_is_a_page_too(paths: WarehousePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("dashboard.requests.movers_page", fail)
    with GenerationFollower(paths.published_database, partial(PreparedMarket, paths)) as follower:
        dashboard = Dashboard(follower, ["market.test"])
        response = fetch(dashboard, "/movers", must_raise=False)
    assert response.status_code == 500
    assert "The log of the dashboard tells why." in response.text
    assert response.headers["content-security-policy"]


@pytest.mark.parametrize("value", [INJECTION, "<script>", "\x00", "%ff", "9" * 5000, "\u202e"])
@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/", "currency"),
        ("/market.json", "table currency"),
        (item_path(REDLINE), "phase window show currency"),
        ("/items", "q"),
        ("/movers", "window direction least markets"),
        ("/spreads", "buy sell by least most margin profit quantity sort"),
    ],
)
def test_hostile_parameters_are_harmless(dashboard: Dashboard, path: str, names: str, value: str) -> None:
    for name in names.split():
        response = fetch(dashboard, f"{path}?{name}={quote(value)}")
        assert response.status_code in {200, 404}
        assert "<script>" not in response.text.replace('<script src="/static', "")
        assert "\u202e" not in response.text


@pytest.mark.parametrize("name", [INJECTION, "%ff", "a/b", "\x00", "\u202e", "9" * 3000])
def test_unknown_names_are_not_found(dashboard: Dashboard, name: str) -> None:
    response = fetch(dashboard, item_path(name))
    assert response.status_code == 404
    assert "\u202e" not in response.text


def test_hostile_market_stays_text(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    quotes = [
        Quote("1", 100, name=HOSTILE, url="javascript:alert(1)", provider="<img src=x>"),
        Quote("1", 120, name=HOSTILE, url="https://shop.test/?a='b'", provider="steam"),
    ]
    land(paths, "run", observe(NOON, *quotes, providers=("<img src=x>", "steam")), interval_seconds=60)
    names = (HOSTILE, "<script>alert(1)</script>")
    load(paths, [Holding(line, name, 1, HOSTILE, Decimal(1), "USD", None) for line, name in enumerate(names)])
    with GenerationFollower(paths.published_database, partial(PreparedMarket, paths)) as follower:
        dashboard = Dashboard(follower, ["market.test"])
        for path in (
            "/",
            "/items",
            f"/items?q={quote(HOSTILE)}",
            "/movers",
            "/spreads",
            "/portfolio",
            "/collection",
            item_path(HOSTILE),
        ):
            response = fetch(dashboard, path)
            assert response.status_code == 200
            page = Reader(response.text)
            assert page.scripts == [{"src": "/static/floorline.js", "defer": None}]
            assert not any(name.startswith("on") or name == "style" for name in page.attributes)
            assert not any(address.startswith("javascript") for address in page.addresses)
            assert "\u202e" not in response.text
        assert "https://shop.test/?a='b'" in page.addresses
        assert "<img src=x>" in page.texts

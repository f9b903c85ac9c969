"""The market of the reference with full tables in addition, and names that try to break out of a page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from connectors.ratelimit.ledger import MonthReport, RequestLedger
from pipelines.alerts.rows import join_rows
from tests.support.clocks import NOON
from tests.support.reference.market import EVERY, publish_example
from tests.support.series_landings import Sale, SeriesPage, land_series
from tests.support.warehouse import Quote, item_name, land, load, observe
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

SCRIPT: Final = "<script>alert(1)</script><img src=x onerror=alert(2)>"
HOSTILE: Final = f"{SCRIPT}\" onload='alert(3)' \u202e & {{{{ 7 * 7 }}}} AK-47 | (Field-Tested)"
HOSTILE_MARKETPLACE: Final = "\"><svg onload=alert(4)>'"
HOSTILE_RUN: Final = '"><img src=x onerror=alert(8)> ?x=%2e#1'  # the name of a folder: without a slash
MARKETPLACES: Final = tuple(f"marketplace-{number:02}" for number in range(20))
ITEMS: Final = 101  # more than a table of a page shows
END: Final = NOON + 12 * EVERY  # the newest look of the reference


def publish_crowded_market(folder: Path) -> WarehousePaths:
    """Publish the market: 101 items move at 21 marketplaces; alerts, runs and sales are hostile."""
    paths = publish_example(folder)
    providers = (*MARKETPLACES, HOSTILE_MARKETPLACE)
    for number in range(2):
        at = END - 4 * (1 - number) * EVERY
        asks = observe(at, *_asks(number), providers=providers)
        land(paths, f"{at:%Y%m%d-%H}00-crowd", asks, basket="crowd", interval_seconds=6 * 3600)
    land(paths, HOSTILE_RUN, basket="crowd", state="failed", started_at=END - timedelta(minutes=1),
         facts={"incomplete_reason": HOSTILE}, interval_seconds=6 * 3600)  # fmt: skip
    sales = [
        Sale(END - timedelta(hours=hours), 100 + hours, 0.2, item="h", name=HOSTILE,
             provider=HOSTILE_MARKETPLACE)
        for hours in range(1, 60)
    ]  # fmt: skip
    land_series(paths, "20260604-hostile-sales", SeriesPage(END, sales), kind=Sale)
    alert = Alert(
        "basket.failed", "cs2cap", HOSTILE, HOSTILE, guidance=f'<a href="javascript:alert(5)">{HOSTILE}</a>'
    )
    store = AlertStore(open_state(paths))
    store.raise_alert(alert, END)
    rows = [{"item": HOSTILE, "price": SCRIPT}]
    store.raise_alert(Alert("watch.warning", "", HOSTILE, join_rows(HOSTILE, rows)), END)
    ledger = RequestLedger(open_state(paths), "f00d", "cs2cap")
    ledger.sync_month(MonthReport(9_000, 50_000, since=0.0), now=0.0, at=END)
    ledger.close()
    load(paths)
    return paths


def _asks(number: int) -> Iterator[Quote]:
    for column, provider in enumerate((*MARKETPLACES, HOSTILE_MARKETPLACE)):
        url = "javascript:alert(6)" if column % 2 else "https://evil.test/?a='b\"><script>alert(7)</script>"
        cents = 50_000 + 7 * number + 13 * column
        yield Quote("h", cents, 3, provider, None, None, HOSTILE, url=url)
        for item in range(100, 100 + ITEMS):
            cents = 100 * item + (item * 7 + column * 11 + number * (3 + item % 5)) % 90
            yield Quote(str(item), cents, 1 + column, provider, None, None, item_name(str(item)))

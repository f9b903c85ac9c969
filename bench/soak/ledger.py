"""The warehouse of a soak against the sandbox: the quotes of now, and every price that was ever served."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.market.money import convert
from sandbox.market.providers import KEYS
from tests.support.snapshots import Bench, Row, basket, catalog_of, ledger

CATALOG, BATCH, STREAM = ("steam", "buff163"), ("csfloat", "skinport", "youpin"), ("dmarket", "waxpeer")
PROVIDERS: Final = (*CATALOG, *BATCH, *STREAM)
ITEMS: Final = 2000
BATCH_ITEMS: Final = 60
# Pages of 100 rows: so many of them that another process lands them.
SMALL_PAGES: Final = KEYS[:14]
SMALL_PAGES_KEY: Final = "cs2c_live_sandbox_soak_000000001"
CURRENCIES: Final = (("cs2cap", "USD"), ("cs2cap", "EUR"), ("small-pages", "USD"))
BASKETS: Final = ("catalog", "batch", "stream", "small-pages")
KEEP: Final = "20s"  # loaded landings: short, so that each window has as many


def create_bench(folder: Path, box: Sandbox) -> Bench:
    """Return a project with a basket for each way to read prices, and two sources with a key each."""
    box.key(SMALL_PAGES_KEY, tier="free")
    items = [item.item_id for item in box.market.board.catalog.items if not item.aggregate][:BATCH_ITEMS]
    bench = Bench.create(
        folder,
        {"cs2cap": box.url, "small-pages": box.url},
        catalog_of(*CATALOG, name="catalog"),
        basket("batch", items=items, providers=list(BATCH), currencies=["USD", "EUR"], route="batch"),
        catalog_of(*STREAM, name="stream") | {"route": "stream"},
        catalog_of(*SMALL_PAGES, name="small-pages", source="small-pages"),
        warehouse={"keep_landings": KEEP},
    )
    (folder / "small-pages.key").write_text(SMALL_PAGES_KEY)
    return bench


def accept_keys(box: Sandbox) -> None:
    """Make both keys valid."""
    for key in (VALID_KEY, SMALL_PAGES_KEY):
        box.key(key, "valid")


class Comparison:
    """Compares the published database with the sandbox."""

    def __init__(self, bench: Bench, box: Sandbox) -> None:
        self._bench, self._box = bench, box
        self._items = frozenset(int(text) for text in bench.settings.baskets[1].items)

    def find_differences(self) -> list[Row]:
        """Return the quotes that only one of the two has now."""
        with self._box.lock:
            return [
                row
                for source, currency in CURRENCIES
                for row in set(self._bench.quotes(currency, source)) ^ set(self._expected(source, currency))
            ]

    def find_invented(self) -> list[Row]:
        """Return the quotes of the history that the sandbox never served."""
        return [
            row
            for source, currency in CURRENCIES
            for row in set(self._history(source, currency)) - set(self._served(source, currency))
        ]

    def find_incomplete_runs(self) -> list[tuple[object, ...]]:
        """Return the runs whose changes are not all in the history."""
        return self._bench.query(
            "SELECT r.run_id, r.rows_changed, count(h.run_id) FROM runs r"
            " LEFT JOIN quote_history h USING (run_id) GROUP BY ALL HAVING r.rows_changed <> count(h.run_id)"
        )

    def _expected(self, source: str, currency: str) -> list[Row]:
        if source != "cs2cap":
            return ledger(self._box, SMALL_PAGES)
        rows = ledger(self._box, BATCH, sorted(self._items), currency)
        return rows if currency == "EUR" else rows + ledger(self._box, CATALOG) + ledger(self._box, STREAM)

    def _history(self, source: str, currency: str) -> list[Row]:
        return self._bench.query(
            "SELECT DISTINCT provider, item_id, phase, lowest_ask, price, quantity FROM quote_history"
            " WHERE source = ? AND currency = ? AND price IS NOT NULL",
            source,
            currency,
        )

    def _served(self, source: str, currency: str) -> Iterator[Row]:
        """Yield every quote that the market ever had in the baskets of a source, at every rate."""
        market = self._box.market
        rates = {epoch.rates[currency] for epoch in market.epochs}
        later = (change for epoch in market.epochs for change in epoch.changes.items())
        for place, quote in {*enumerate(market.first), *later}:
            item, provider = market.board.item(place), KEYS[market.board.provider_of[place]]
            if quote is not None and self._is_read(source, currency, provider, item.item_id):
                for rate in rates:
                    money = convert(quote.price, rate)
                    ask = money.minor, Decimal(money.decimal), quote.quantity
                    yield provider, str(item.item_id), item.phase, *ask

    def _is_read(self, source: str, currency: str, provider: str, item_id: int) -> bool:
        if source != "cs2cap":
            return provider in SMALL_PAGES
        in_batch = provider in BATCH and item_id in self._items
        return in_batch or (currency == "USD" and provider in {*CATALOG, *STREAM})

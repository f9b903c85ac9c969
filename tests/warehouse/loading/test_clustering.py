"""The rows of a load are sorted by item: a filter on an item then skips most parts of a large table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe
from warehouse.database import open_reader


@pytest.mark.file_warehouse("the order of rows in a lake is that of its Parquet files")
def test_quotes_and_history_are_sorted_by_item(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    # Two marketplaces give the items in different orders.
    first, second = list(range(300)), list(range(299, -1, -1))

    def load(run: str, at: float, price: int) -> None:
        quotes = [
            Quote(str(item), price + item, provider=provider)
            for provider, items in (("steam", first), ("skinport", second))
            for item in items
        ]
        land_and_load(paths, run, observe(minute(at), *quotes, providers=("steam", "skinport")))

    load("one", 0, 100)
    load("two", 10, 200)
    with open_reader(paths.loader_database) as db:
        for table in ("current", "history"):
            rows = db.execute(f"SELECT item_key, provider_key FROM store.{table} ORDER BY rowid").fetchall()
            assert len(rows) == 600
            assert rows == sorted(rows)

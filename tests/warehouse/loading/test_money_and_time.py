"""Amounts are exact, and times do not depend on the time zone of the machine."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.clocks import NOON
from tests.support.warehouse import (
    Quote,
    copy_warehouse,
    create_warehouse,
    land,
    land_and_load,
    load,
    load_into_memory,
    minute,
    observe,
    query_rows,
)
from warehouse.paths import WarehousePaths

AMOUNTS = st.decimals(min_value=0, max_value=Decimal("999999999999.99999999"), places=8, allow_nan=False)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(amounts=st.lists(AMOUNTS, min_size=1, max_size=40))
def test_amounts_are_stored_exactly(tmp_path_factory: pytest.TempPathFactory, amounts: list[Decimal]) -> None:
    paths = create_warehouse(tmp_path_factory.mktemp("money"))
    quotes = [Quote(str(number), price=amount) for number, amount in enumerate(amounts)]
    db = load_into_memory([land(paths, "run", observe(minute(0), *quotes, currency="BTC"))])
    for view in ("quotes", "quote_history", "quotes_as_of(TIMESTAMPTZ '2026-06-02 00:00:00Z')"):
        result = db.execute(f"SELECT price FROM {view} ORDER BY item_id::INTEGER").fetchall()
        assert [row[0] for row in result] == amounts


def test_amounts_at_the_limits(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    amounts = ["0.00041600", "0.00000001", "100000000000", "19.99", "0"]
    quotes = [Quote(str(number), cents=0, price=Decimal(amount)) for number, amount in enumerate(amounts)]
    land_and_load(paths, "a", observe(minute(0), *quotes, currency="BTC"))
    assert query_rows(paths, "SELECT lowest_ask, price, price::VARCHAR FROM quotes ORDER BY item_id") == [
        (0, Decimal(amount), f"{Decimal(amount):.8f}") for amount in amounts
    ]


def test_crypto_amount_that_moves_without_a_timestamp_is_a_change(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    original, moved = (Quote(cents=0, price=Decimal(p), timestamp=None) for p in ("0.00041600", "0.00041601"))
    land_and_load(paths, "a", observe(minute(0), original, currency="BTC"))
    assert land_and_load(paths, "b", observe(minute(10), moved, currency="BTC")).rows_changed == 1


QUERY_SCRIPT = """
import json, sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from warehouse.queries.runner import run_query
from tests.support.lake_warehouses import find_warehouse
from tests.support.warehouse import Quote, land, load, minute, observe
paths = find_warehouse(Path(sys.argv[1]))
land(paths, "c", observe(minute(20), Quote("1", 120), Quote("2", 100)))
load(paths)
result = {
    "observed": [str(row[0]) for row in run_query(paths, "SELECT observed_at FROM quotes ORDER BY ALL").rows],
    "as_of": [str(row[0]) for row in
              run_query(paths, "SELECT price FROM quotes_as_of('2026-06-01 12:05:00Z')").rows],
    "own": [str(row[0]) for row in run_query(paths, "SELECT price FROM quotes_as_of(?)",
            [datetime(2026, 6, 1, 17, 45, tzinfo=timezone(timedelta(hours=5, minutes=45)))]).rows],
    "valid": [str(row[0]) for row in
              run_query(paths, "SELECT valid_from FROM quote_history ORDER BY ALL").rows],
    "hour": run_query(paths, "SELECT extract(hour FROM max(valid_from)) FROM quote_history").rows[0][0],
    "started": str(run_query(paths, "SELECT max(started_at) FROM runs").rows[0][0]),
}
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse with two runs, loaded in the time zone of this machine."""
    paths = create_warehouse(tmp_path_factory.mktemp("two_runs"))
    land(paths, "a", observe(minute(0), Quote("1", 100), Quote("2", 100)))
    land(paths, "b", observe(minute(10), Quote("1", 110), Quote("2", 100)))
    load(paths)
    return paths


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
def test_time_zone_of_the_machine_does_not_matter(
    two_runs: WarehousePaths, tmp_path: Path, zone: str
) -> None:
    copy_warehouse(two_runs, tmp_path)
    root = Path(__file__).parents[3]
    result = subprocess.run(
        [sys.executable, "-c", QUERY_SCRIPT, str(tmp_path)],
        env={"TZ": zone, "PYTHONPATH": str(root)}, cwd=root, check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert json.loads(result.stdout) == {
        "observed": [str(minute(20))] * 2,
        "as_of": ["1.00000000"] * 2,
        "own": ["1.00000000"] * 2,
        "valid": [str(NOON), str(NOON), str(minute(10)), str(minute(20))],
        "hour": 12,
        "started": str(minute(20)),
    }

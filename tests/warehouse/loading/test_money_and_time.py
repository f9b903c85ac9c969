"""Amounts are exact, and moments do not depend on where the machine stands."""

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
    create_warehouse,
    land,
    land_and_load,
    load,
    load_into_memory,
    minute,
    observe,
    query_rows,
)

EXACT = st.decimals(min_value=0, max_value=Decimal("999999999999.99999999"), places=8, allow_nan=False)


@settings(max_examples=15, deadline=None)
@given(amounts=st.lists(EXACT, min_size=1, max_size=20))
def test_amounts_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[Decimal]
) -> None:
    home = create_warehouse(tmp_path_factory.mktemp("money"))
    quotes = [Quote(str(number), price=amount) for number, amount in enumerate(amounts)]
    db = load_into_memory([land(home, "run", observe(minute(0), *quotes, currency="BTC"))])
    for view in ("quotes", "quote_history", "quotes_as_of(TIMESTAMPTZ '2026-06-02 00:00:00Z')"):
        told = db.execute(f"SELECT price FROM {view} ORDER BY item_id::INTEGER").fetchall()
        assert [row[0] for row in told] == amounts


@pytest.mark.parametrize("amount", ["0.00041600", "0.00000001", "100000000000", "19.99", "0"])
def test_amounts_at_the_edges(tmp_path: Path, amount: str) -> None:
    home = create_warehouse(tmp_path)
    land_and_load(home, "a", observe(minute(0), Quote(cents=0, price=Decimal(amount)), currency="BTC"))
    assert query_rows(home, "SELECT lowest_ask, price, price::VARCHAR FROM quotes") == [
        (0, Decimal(amount), f"{Decimal(amount):.8f}")
    ]


def test_a_cent_of_a_coin_is_a_change_only_with_its_timestamp(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    first, moved = (Quote(cents=0, price=Decimal(p), timestamp=None) for p in ("0.00041600", "0.00041601"))
    land_and_load(home, "a", observe(minute(0), first, currency="BTC"))
    assert land_and_load(home, "b", observe(minute(10), moved, currency="BTC")).rows_changed == 1


ASK = """
import json, sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from warehouse.paths import WarehousePaths
from warehouse.queries import run_query
from tests.support.warehouse import Quote, land, load, minute, observe
home = WarehousePaths(Path(sys.argv[1]))
land(home, "c", observe(minute(20), Quote("1", 120), Quote("2", 100)))
load(home)
answer = {
    "observed": [str(row[0]) for row in run_query(home, "SELECT observed_at FROM quotes ORDER BY ALL").rows],
    "as_of": [str(row[0]) for row in
              run_query(home, "SELECT price FROM quotes_as_of('2026-06-01 12:05:00Z')").rows],
    "own": [str(row[0]) for row in run_query(home, "SELECT price FROM quotes_as_of(?)",
            [datetime(2026, 6, 1, 17, 45, tzinfo=timezone(timedelta(hours=5, minutes=45)))]).rows],
    "valid": [str(row[0]) for row in
              run_query(home, "SELECT valid_from FROM quote_history ORDER BY ALL").rows],
    "hour": run_query(home, "SELECT extract(hour FROM max(valid_from)) FROM quote_history").rows[0][0],
    "started": str(run_query(home, "SELECT max(started_at) FROM runs").rows[0][0]),
}
print(json.dumps(answer))
"""


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
def test_the_machines_zone_does_not_matter(tmp_path: Path, zone: str) -> None:
    home = create_warehouse(tmp_path)
    land(home, "a", observe(minute(0), Quote("1", 100), Quote("2", 100)))
    land(home, "b", observe(minute(10), Quote("1", 110), Quote("2", 100)))
    load(home)
    root = Path(__file__).parents[3]
    told = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path)],
        env={"TZ": zone, "PYTHONPATH": str(root)}, cwd=root, check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert json.loads(told.stdout) == {
        "observed": [str(minute(20))] * 2,
        "as_of": ["1.00000000"] * 2,
        "own": ["1.00000000"] * 2,
        "valid": [str(NOON), str(NOON), str(minute(10)), str(minute(20))],
        "hour": 12,
        "started": str(minute(20)),
    }

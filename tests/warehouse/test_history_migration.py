"""A database whose history had only the starts of its states is migrated exactly."""

import dataclasses
import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tests.support.warehouse import minute
from warehouse.database import open_writer
from warehouse.migration import SQL

pytestmark = pytest.mark.file_warehouse("files of older versions, which no lake has")

LAST_OF_STARTS = 9
MIGRATIONS = {int(step.name[:4]): step.read_text() for step in (SQL / "migrations").iterdir()}
DIMENSIONS = """
INSERT INTO store.item BY NAME SELECT range AS item_key, 'a' AS source, range::VARCHAR AS item_id,
    '' AS base_name, 'n' || range AS market_hash_name, false AS aggregate FROM range(1, 21);
INSERT INTO store.provider BY NAME SELECT 1 AS provider_key, 'a' AS source, 'p' AS provider;
INSERT INTO store.run BY NAME SELECT k AS run_key, 'r' || k AS run_id, 'snapshot' AS flow, 'a' AS source,
    '' AS basket, 'done' AS state, now() AS started_at, now() AS loaded_at, 1 AS requests, 1 AS rows_fetched,
    1 AS rows_changed, 0 AS rows_closed, 0 AS rows_rejected FROM range(1, 3) t(k);
"""
FACTS = """
INSERT INTO store.history BY NAME
SELECT item_key, 1 AS provider_key, currency, 'standard' AS delivery, lowest_ask, quantity, valid_from,
    run_key
FROM state;
INSERT INTO store.current BY NAME
SELECT item_key::BIGINT << 20 | CASE currency WHEN 'USD' THEN 1 ELSE 2 END AS quote_key, item_key,
    1 AS provider_key, currency, 'standard' AS delivery, answer AS lowest_ask, quantity, valid_from,
    now() AS seen_at, answer_run AS run_key
FROM state QUALIFY row_number() OVER (PARTITION BY item_key, currency ORDER BY valid_from DESC) = 1;
"""
OBSERVATION = """
INSERT INTO store.observation BY NAME SELECT $1 AS observed_from, $1 AS observed_to, 1 AS run_key,
    1 AS scope_key, 1 AS provider_key, true AS complete, 1 AS rows
"""
COLUMNS = "item_id, currency, lowest_ask, valid_from, quantity, run_id"


@dataclasses.dataclass(frozen=True)
class State:
    """A state as schema 9 stored it, and the last answer of its quote, for where the state is open."""

    item_key: int
    currency: str
    valid_from: datetime
    lowest_ask: int | None
    quantity: int
    run_key: int
    answer: int | None
    answer_run: int

    def columns(self) -> tuple[Any, ...]:
        """Return COLUMNS."""
        run_id = f"r{self.run_key}"
        return str(self.item_key), self.currency, self.lowest_ask, self.valid_from, self.quantity, run_id


def random_states(chance: random.Random) -> Iterator[State]:
    """Yield up to eight states of each of 40 quotes; a converted price may have a newer answer."""
    for item_key, currency in itertools.product(range(1, 21), ("USD", "EUR")):
        for position, start in enumerate(sorted(chance.sample(range(200), chance.randint(1, 8)))):
            ask = None if position and chance.random() < 0.3 else chance.randint(1, 10**4)
            newer = currency == "EUR" and ask is not None and chance.random() < 0.5
            run_key = chance.choice((1, 2))
            answer, answer_run = (ask + 1, 2) if newer and ask else (ask, run_key)
            quantity = chance.randint(0, 9)
            yield State(item_key, currency, minute(start), ask, quantity, run_key, answer, answer_run)


def create_database(path: Path, states: Sequence[State]) -> None:
    """Create a database of schema 9 with states."""
    with duckdb.connect(str(path)) as db:
        for number in range(1, LAST_OF_STARTS + 1):
            db.execute(MIGRATIONS[number])
        db.execute("INSERT INTO store.schema_version VALUES (?, now())", [LAST_OF_STARTS])
        db.execute(DIMENSIONS)
        db.register("state", pl.DataFrame([dataclasses.asdict(state) for state in states]))
        db.execute(FACTS)
        db.unregister("state")


def test_each_state_gets_its_end_and_every_moment_keeps_what_was_listed(tmp_path: Path) -> None:
    states = list(random_states(random.Random(10)))
    create_database(tmp_path / "market.duckdb", states)
    with open_writer(tmp_path / "market.duckdb") as db:
        history = db.execute(f"SELECT {COLUMNS}, valid_to FROM quote_history").fetchall()
        answers = db.execute("SELECT item_id, currency, lowest_ask FROM quotes").fetchall()
        listed = {
            at: db.execute(f"SELECT {COLUMNS} FROM quotes_as_of(?)", [at]).fetchall()
            for at in map(minute, range(-1, 201, 25))
        }

    expected: list[tuple[Any, ...]] = []
    last = []
    for _, group in itertools.groupby(states, lambda state: (state.item_key, state.currency)):
        quote = list(group)
        ends = [*(state.valid_from for state in quote[1:]), None]
        expected += [(*state.columns(), end) for state, end in zip(quote, ends, strict=True)]
        last.append(quote[-1])
    assert Counter(history) == Counter(expected)
    assert Counter(answers) == Counter(
        (str(state.item_key), state.currency, state.answer) for state in last if state.answer is not None
    )
    for at, rows in listed.items():
        valid = [row for row in expected if row[3] <= at and (row[6] is None or at < row[6])]
        assert Counter(rows) == Counter(row[:6] for row in valid if row[2] is not None), at


def test_old_points_fill_the_coverage_gaps_before_anything_is_loaded(tmp_path: Path) -> None:
    states = [State(1, "USD", minute(at), ask, 1, 1, ask, 1) for at, ask in ((0, 100), (60, 300))]
    create_database(tmp_path / "market.duckdb", states)
    with duckdb.connect(str(tmp_path / "market.duckdb")) as db:
        db.execute("INSERT INTO store.scope VALUES (1, 'a', 'USD', 'standard', 'catalog')")
        for state in states:
            db.execute(OBSERVATION, [state.valid_from])
        db.execute("INSERT INTO store.point VALUES (1, 1, 'USD', ?, 200, 1, now(), 2)", [minute(30)])
    with open_writer(tmp_path / "market.duckdb") as db:
        history = "SELECT lowest_ask, valid_from, valid_to FROM quote_history ORDER BY valid_from"
        assert db.execute(history).fetchall() == [
            (100, minute(0), minute(30)), (200, minute(30), minute(60)), (300, minute(60), None),
        ]  # fmt: skip

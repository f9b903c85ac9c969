"""In coverage gaps, `quote_history` and `quotes_as_of` take their rows from the API's own points."""

from __future__ import annotations

import bisect
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.sealed_months import check_history_since
from tests.support.series_landings import Point, SeriesPage, database_with, land_series
from tests.support.warehouse import Page, Quote, ShardSpec, by_ids, create_warehouse, land, minute

# All times are minutes after noon. An observation covers the TAIL after its end if another one follows in it.
END, GRID, TAIL = 80, 5, 15
ITEMS = tuple("1234567")
# The complete catalog is drawn twice as often as each of the other baskets.
BASKETS = (ITEMS, ITEMS, ("1", "2", "3"), ("3", "4"))
State = tuple[int, int] | None  # cents and quantity; None: not listed
Row = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class ItemHistory:
    """The true states of an item, each by the minute of its start."""

    changes: dict[float, State]

    def state_at(self, time: float) -> State:
        """Return the state at a minute."""
        times = sorted(self.changes)
        place = bisect.bisect_right(times, time)
        return self.changes[times[place - 1]] if place else None

    def points(self, *, dense: bool) -> Iterator[tuple[float, tuple[int, int]]]:
        """Yield the API's points: at every grid time, or only after a change since the last grid time."""
        for time in range(0, END, GRID):
            changed = any(time - GRID < change <= time for change in self.changes)
            state = self.state_at(time)
            if state is not None and (dense or changed or not time):
                yield time, state


@dataclasses.dataclass(frozen=True)
class Observation:
    """One observation of a basket. Every second item is on the second page, a minute later."""

    start: int
    items: tuple[str, ...]
    complete: bool

    def time_of(self, item: str) -> float:
        """Return the minute in which an item was observed."""
        return self.start + self.items.index(item) % 2

    @property
    def end(self) -> float:
        """The minute of the last page."""
        return max(self.time_of(item) for item in self.items)

    def shard(self, histories: dict[str, ItemHistory]) -> ShardSpec:
        """Return the fetched pages."""
        pages = []
        for offset, time in enumerate((self.start, self.start + 1)):
            states = {
                item: histories[item].state_at(time) for item in self.items if self.time_of(item) == time
            }
            quotes = [Quote(item, *state, timestamp=None) for item, state in states.items() if state]
            pages.append(Page(minute(time), quotes, offset=offset))
        items = None if self.items == ITEMS else by_ids(*self.items)
        return ShardSpec(pages, items=items, complete=self.complete)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """The true histories, the observations of them, and the density of the API's points."""

    histories: dict[str, ItemHistory]
    observations: list[Observation]
    dense: bool

    def is_covered(self, item: str, time: float) -> bool:
        """Whether an observation of this item covers a minute."""
        complete = [one for one in self.observations if one.complete and item in one.items]
        return any(
            earlier.start <= time < earlier.end
            or any(earlier.start <= time < later.start <= earlier.end + TAIL for later in complete)
            for earlier in complete
        )

    def is_being_observed(self, time: float) -> bool:
        """Whether an observation has fetched some of its items and not the others."""
        return any(one.start <= time < one.end for one in self.observations)

    def land(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Return the landings of the observations, in order, and of the points; some points land twice."""
        paths = create_warehouse(folder)
        observed = [land(paths, f"run{one.start:02}", one.shard(self.histories)) for one in self.observations]
        points = [
            Point(minute(time), *state, item)
            for item, history in self.histories.items()
            for time, state in history.points(dense=self.dense)
        ]
        parts = enumerate((points[::2], points[1::2], points[3:9]))
        return observed, [
            land_series(paths, f"points{n}", SeriesPage(minute(200 + n), part)) for n, part in parts
        ]


def in_order(observations: list[Observation]) -> list[Observation]:
    return sorted(observations, key=lambda one: one.start)


STATES = st.one_of(st.none(), st.tuples(st.integers(1, 3), st.integers(1, 2)))
TIMES = st.integers(-1, 2 * END).map(lambda half: half / 2)
HISTORIES = st.dictionaries(TIMES, STATES, min_size=1, max_size=6).map(ItemHistory)
OBSERVATION = st.builds(
    lambda slot, late, items, complete: Observation(slot * 10 + late, items, complete),
    st.integers(0, 7), st.integers(0, 4), st.sampled_from(BASKETS), st.sampled_from([True, True, False]),
)  # fmt: skip
OBSERVATIONS = st.lists(OBSERVATION, max_size=5, unique_by=lambda one: one.start // 10).map(in_order)
SCENARIOS = st.builds(
    Scenario, st.fixed_dictionaries(dict.fromkeys(ITEMS, HISTORIES)), OBSERVATIONS, st.booleans()
)


def quotes_as_of(db: duckdb.DuckDBPyConnection, time: float) -> dict[str, Row]:
    """Return the rows of `quotes_as_of` by item: start, cents, quantity."""
    query = "SELECT item_id, valid_from, price * 100, quantity FROM quotes_as_of(?)"
    return {item: tuple(row) for item, *row in db.execute(query, [minute(time)]).fetchall()}


def quote_history(db: duckdb.DuckDBPyConnection) -> dict[str, list[Row]]:
    """Return the rows of `quote_history` by item, in order: start, end, cents, quantity."""
    query = "SELECT item_id, valid_from, valid_to, lowest_ask, quantity FROM quote_history ORDER BY ALL"
    histories: dict[str, list[Row]] = {item: [] for item in ITEMS}
    for item, *row in db.execute(query).fetchall():
        histories[item].append(tuple(row))
    return histories


def row_at(history: list[Row], time: float) -> Row | None:
    """Return the row of a history at a time, like a row of `quotes_as_of`."""
    for start, end, cents, quantity in history:
        if start <= minute(time) and (end is None or minute(time) < end) and cents is not None:
            return start, cents, quantity
    return None


def state_of(row: Row | None) -> Row | None:
    return row and row[1:]


def check_history(scenario: Scenario, db: duckdb.DuckDBPyConnection, as_of: list[int]) -> None:
    """Check that gaps have the true states, and that covered times have the observed states."""
    filled = quote_history(db)
    for history in filled.values():
        starts = [row[0] for row in history]
        assert starts == sorted(set(starts))
        assert [row[1] for row in history] == [*starts[1:], None][: len(history)]
    for time in as_of:
        expected = {item: row_at(history, time) for item, history in filled.items()}
        assert quotes_as_of(db, time) == {item: row for item, row in expected.items() if row is not None}
    check_history_since(db, map(minute, as_of))

    db.execute("DELETE FROM store.point")
    observed = quote_history(db)
    for item, truth in scenario.histories.items():
        for time in range(0, END + 60, GRID):
            state, true_state = state_of(row_at(filled[item], time)), truth.state_at(time)
            if scenario.is_covered(item, time) and not scenario.is_being_observed(time):
                assert state == state_of(row_at(observed[item], time))
            elif not scenario.is_covered(item, time) and time < END and true_state is not None:
                assert state == true_state


def load_and_check(scenario: Scenario, as_of: list[int], order: Any) -> None:
    """Load the observations in order, with the points at random places in between; check the history."""
    with tempfile.TemporaryDirectory() as folder:
        landings, points = scenario.land(Path(folder))
        for landing in points:
            landings.insert(order.randint(0, len(landings)), landing)
        check_history(scenario, database_with(landings), as_of)


AS_OF = st.lists(st.integers(0, END + 30), min_size=2, max_size=3)
ORDER = st.randoms(use_true_random=False)


@settings(max_examples=2, deadline=None)
@given(scenario=SCENARIOS, as_of=AS_OF, order=ORDER)
def test_points_fill_gaps_and_change_no_observed_state(
    scenario: Scenario, as_of: list[int], order: Any
) -> None:
    load_and_check(scenario, as_of, order)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(scenario=SCENARIOS, as_of=AS_OF, order=ORDER)
def test_points_fill_gaps_in_many_scenarios(scenario: Scenario, as_of: list[int], order: Any) -> None:
    load_and_check(scenario, as_of, order)

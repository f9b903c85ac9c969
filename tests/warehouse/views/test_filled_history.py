"""Where no complete look covers a key, `quote_history` and `quotes_as_of` take the API's own points."""

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

from tests.support.series_landings import Point, Told, fresh, land_series
from tests.support.warehouse import Page, Quote, Shard, home_in, land, minute, named

END, GRID, TAIL = 80, 5, 15
ITEMS = tuple("1234567")
BASKETS = (
    ITEMS,
    ITEMS,
    ("1", "2", "3"),
    ("3", "4"),
)  # the whole catalog twice as often as each of the others
State = tuple[int, int] | None  # cents and quantity; None: not listed
Row = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Past:
    """What truly was: the states of an item, each from a minute on."""

    changes: dict[float, State]

    def at(self, moment: float) -> State:
        """What was listed at a minute after noon."""
        moments = sorted(self.changes)
        place = bisect.bisect_right(moments, moment)
        return self.changes[moments[place - 1]] if place else None

    def points(self, *, dense: bool) -> Iterator[tuple[float, tuple[int, int]]]:
        """What the API keeps of it: at every place on the grid, or after what happened since the last."""
        for moment in range(0, END, GRID):
            moved = any(moment - GRID < change <= moment for change in self.changes)
            state = self.at(moment)
            if state is not None and (dense or moved or not moment):
                yield moment, state


@dataclasses.dataclass(frozen=True)
class Seen:
    """One look at a basket. Every second item came on its second page, a minute later."""

    begins: int
    items: tuple[str, ...]
    complete: bool

    def moment(self, item: str) -> float:
        """When it saw an item."""
        return self.begins + self.items.index(item) % 2

    @property
    def ends(self) -> float:
        """When it was through."""
        return max(self.moment(item) for item in self.items)

    def shard(self, past: dict[str, Past]) -> Shard:
        """What it brought."""
        pages = []
        for offset, moment in enumerate((self.begins, self.begins + 1)):
            states = {item: past[item].at(moment) for item in self.items if self.moment(item) == moment}
            quotes = [Quote(item, *state, stamp=None) for item, state in states.items() if state]
            pages.append(Page(minute(moment), quotes, offset=offset))
        asked = None if self.items == ITEMS else named(*self.items)
        return Shard(pages, items=asked, complete=self.complete)


@dataclasses.dataclass(frozen=True)
class World:
    """What was, what was looked at, and how the API tells of it."""

    past: dict[str, Past]
    looks: list[Seen]
    dense: bool

    def covered(self, item: str, moment: float) -> bool:
        """Whether a look at this item counts for a minute."""
        looks = [seen for seen in self.looks if seen.complete and item in seen.items]
        return any(
            seen.begins <= moment < seen.ends
            or any(seen.begins <= moment < later.begins <= seen.ends + TAIL for later in looks)
            for seen in looks
        )

    def walking(self, moment: float) -> bool:
        """Whether a look is under way, so that some items were seen and some were not."""
        return any(seen.begins <= moment < seen.ends for seen in self.looks)

    def landed(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """The landings of the looks, in order, and of the points, some of them told twice."""
        home = home_in(folder)
        looks = [land(home, f"look{seen.begins:02}", seen.shard(self.past)) for seen in self.looks]
        told = [
            Point(minute(at), *state, item)
            for item, past in self.past.items()
            for at, state in past.points(dense=self.dense)
        ]
        parts = enumerate((told[::2], told[1::2], told[3:9]))
        return looks, [land_series(home, f"points{n}", Told(minute(200 + n), rows)) for n, rows in parts]


def in_order(looks: list[Seen]) -> list[Seen]:
    return sorted(looks, key=lambda seen: seen.begins)


STATES = st.one_of(st.none(), st.tuples(st.integers(1, 3), st.integers(1, 2)))
MOMENTS = st.integers(-1, 2 * END).map(lambda half: half / 2)
PASTS = st.dictionaries(MOMENTS, STATES, min_size=1, max_size=6).map(Past)
SEEN = st.builds(
    lambda slot, late, items, complete: Seen(slot * 10 + late, items, complete),
    st.integers(0, 7), st.integers(0, 4), st.sampled_from(BASKETS), st.sampled_from([True, True, False]),
)  # fmt: skip
LOOKS = st.lists(SEEN, max_size=5, unique_by=lambda seen: seen.begins // 10).map(in_order)
WORLDS = st.builds(World, st.fixed_dictionaries(dict.fromkeys(ITEMS, PASTS)), LOOKS, st.booleans())


def as_of(db: duckdb.DuckDBPyConnection, moment: float) -> dict[str, Row]:
    """What `quotes_as_of` says, by item: since when, cents, quantity."""
    query = "SELECT item_id, valid_from, price * 100, quantity FROM quotes_as_of(?)"
    return {item: tuple(row) for item, *row in db.execute(query, [minute(moment)]).fetchall()}


def intervals(db: duckdb.DuckDBPyConnection) -> dict[str, list[Row]]:
    """The rows of `quote_history` by item, in order: from, to, cents, quantity."""
    query = "SELECT item_id, valid_from, valid_to, lowest_ask, quantity FROM quote_history ORDER BY ALL"
    told: dict[str, list[Row]] = {item: [] for item in ITEMS}
    for item, *row in db.execute(query).fetchall():
        told[item].append(tuple(row))
    return told


def in_force(rows: list[Row], moment: float) -> Row | None:
    """What a history says of a moment, as `as_of` does."""
    for begin, end, cents, quantity in rows:
        if begin <= minute(moment) and (end is None or minute(moment) < end) and cents is not None:
            return begin, cents, quantity
    return None


def said(told: Row | None) -> Row | None:
    """Cents and quantity, whenever they began."""
    return told and told[1:]


def check(world: World, db: duckdb.DuckDBPyConnection, asked: list[int]) -> None:
    """Whether holes are told as they were, and what was observed as it was observed."""
    filled = intervals(db)
    for rows in filled.values():
        starts = [row[0] for row in rows]
        assert starts == sorted(set(starts))
        assert [row[1] for row in rows] == [*starts[1:], None][: len(rows)]
    for moment in asked:
        valid = {item: in_force(rows, moment) for item, rows in filled.items()}
        assert as_of(db, moment) == {item: row for item, row in valid.items() if row is not None}

    db.execute("DELETE FROM store.point")
    observed = intervals(db)
    for item, past in world.past.items():
        for moment in range(0, END + 60, GRID):
            told, state = said(in_force(filled[item], moment)), past.at(moment)
            if world.covered(item, moment) and not world.walking(moment):
                assert told == said(in_force(observed[item], moment))
            elif not world.covered(item, moment) and moment < END and state is not None:
                assert told == state


def holds(world: World, asked: list[int], order: Any) -> None:
    """Land and load a world, the points at any place among the looks, and check it."""
    with tempfile.TemporaryDirectory() as folder:
        landed, points = world.landed(Path(folder))
        for landing in points:
            landed.insert(order.randint(0, len(landed)), landing)
        check(world, fresh(landed), asked)


ASKED = st.lists(st.integers(0, END + 30), min_size=2, max_size=3)
ORDER = st.randoms(use_true_random=False)


@settings(max_examples=2, deadline=None)
@given(world=WORLDS, asked=ASKED, order=ORDER)
def test_holes_are_filled_and_nothing_else_changes(world: World, asked: list[int], order: Any) -> None:
    holds(world, asked, order)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(world=WORLDS, asked=ASKED, order=ORDER)
def test_holes_are_filled_in_many_worlds(world: World, asked: list[int], order: Any) -> None:
    holds(world, asked, order)

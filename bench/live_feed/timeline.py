"""What a market listed and what a warehouse says of that, over time, and where the two differ."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sandbox.core import Sandbox
from tests.support.snapshots import Bench

Key = tuple[str, str]  # marketplace and item id
State = tuple[int, int] | None  # price in US cents and quantity; None where nothing is listed
# Of several states at one time, the warehouse stores the later ones a microsecond later.
TIES = timedelta(milliseconds=1)
# The clocks of both sides differ by so much, and a page is older than its arrival.
TOLERANCE = timedelta(seconds=30)


class Change(NamedTuple):
    """A state that begins at a time."""

    at: datetime
    key: Key
    state: State


class Timeline:
    """The states of many quotes."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self.changes = list(changes)
        self._times: defaultdict[Key, list[datetime]] = defaultdict(list)
        self._states: defaultdict[Key, list[State]] = defaultdict(list)
        for change in self.changes:
            self._times[change.key].append(change.at)
            self._states[change.key].append(change.state)

    def state_at(self, key: Key, at: datetime) -> State:
        """Return the state of a quote at a time: the last one of that time."""
        place = bisect_right(self._times[key], at + TIES)
        return self._states[key][place - 1] if place else None

    def states_near(self, key: Key, at: datetime) -> set[State]:
        """Return the states that a quote had around a time."""
        times, states = self._times[key], self._states[key]
        first, last = bisect_right(times, at - TOLERANCE), bisect_right(times, at + TOLERANCE)
        return {self.state_at(key, at - TOLERANCE), *states[first:last]}


def read_market(box: Sandbox, providers: Iterable[str], start: datetime) -> Timeline:
    """Return the asks that a market listed from a time on."""
    wanted = set(providers)
    first = box.ledger(start, providers=sorted(wanted))
    changes = box.changes(start).select("seen_at", "provider", "item_id", "price", "quantity")
    return Timeline(
        [
            *(
                Change(start, (provider, str(item)), (ask, quantity))
                for provider, item, ask, quantity in first.select(
                    "provider", "item_id", "lowest_ask", "quantity"
                ).rows()
            ),
            *(
                Change(at, (provider, str(item)), None if price is None else (price, quantity))
                for at, provider, item, price, quantity in changes.rows()
                if provider in wanted
            ),
        ]
    )


def read_warehouse(bench: Bench) -> Timeline:
    """Return the history of asks that a warehouse has published."""
    rows = bench.query(
        "SELECT valid_from, provider, item_id, lowest_ask, quantity FROM quote_history"
        " WHERE currency = 'USD' ORDER BY valid_from"
    )
    return Timeline(
        Change(at, (provider, item), None if ask is None else (ask, quantity))
        for at, provider, item, ask, quantity in rows
    )


def find_invented(history: Timeline, market: Timeline) -> list[Change]:
    """Return the states of a history that no market listed around their time."""
    return [
        change for change in history.changes if change.state not in market.states_near(change.key, change.at)
    ]

"""Compute the history of one quote from all that was observed of it.

The input is the rows that runs returned of the quote, and the complete observations that covered it. Times
are microseconds since 1970 in UTC.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from decimal import Decimal
from enum import IntEnum
from typing import Final, NamedTuple

from warehouse.loading.run import DOUBT_ROWS, DOUBT_SHARE

# A quote is gone whatever vanished with it, if complete observations of so many runs lacked it for so long.
SETTLING_RUNS: Final = 3
SETTLING_TIME: Final = 24 * 60 * 60 * 10**6
SECOND: Final = 10**6


class State(NamedTuple):
    """A listed quote. `quantity` and the times are None where the source reports none."""

    lowest_ask: int
    price: Decimal
    quantity: int | None
    changed_at: int | None
    last_updated: int | None


class Rank(IntEnum):
    """The order of events at one and the same time."""

    CLOSURE = 0
    CHECK = 1
    ACCEPTANCE = 2
    REPLACEMENT = 3
    ROW = 4


class Event(NamedTuple):
    """Something that was observed of a quote at `at` by a run.

    A ROW, and only that, has a state; one without a state says that the quote was removed. A CHECK is the end
    of a complete observation that started at `observed_from`; `unread` says that a rejected row may have been
    the quote's. A REPLACEMENT is a row of another item that has taken the id of this one. An ACCEPTANCE is a
    user's word that the missing quotes are gone. A CLOSURE was decided by an older version, for reasons that
    are not stored.
    """

    at: int
    rank: Rank
    run_id: str
    run_key: int
    state: State | None = None
    observed_from: int = 0
    unread: bool = False


class Change(NamedTuple):
    """A row of the history; without a state the quote closes."""

    valid_from: int
    run_key: int
    state: State | None


@dataclasses.dataclass(slots=True)
class Timeline:
    """The history of a quote after some time, and where it stands at the end.

    `state` is the last state, None where the quote is not listed, and `state_run` the run that it is from;
    `valid_from` is the time of the last change, `seen_at` that of the last row.
    `missed_since` and `missed_runs` are the first check and the runs that lacked the listed quote since its
    last row; `missed_last` says that the last check lacked it. `unconfirmed_at` is the last check without its
    row. `missing_in` has the runs in which the quote counts as one that vanished.
    """

    state: State | None = None
    state_run: int | None = None
    valid_from: int | None = None
    seen_at: int | None = None
    changes: list[Change] = dataclasses.field(default_factory=list)
    missed_since: int | None = None
    missed_runs: set[int] = dataclasses.field(default_factory=set)
    missed_last: bool = False
    unconfirmed_at: int | None = None
    missing_in: set[int] = dataclasses.field(default_factory=set)

    def extend(self, events: Iterable[Event], *, converted: bool, held_runs: Collection[int]) -> None:
        """Add sorted events, all of them later than what the timeline has.

        `converted` says that the API converts the prices from USD; `held_runs` closed nothing in this book.
        """
        events = list(events)
        row_runs = {event.run_key for event in events if event.rank is Rank.ROW}
        for event in events:
            if event.state is not None:
                self._add_row(event, event.state, converted=converted)
            elif event.rank is Rank.CHECK:
                if event.run_key not in row_runs:
                    self._check(event, held=event.run_key in held_runs)
            elif self.state is not None and (event.rank is not Rank.ACCEPTANCE or self.missed_last):
                self._change(event, None)

    def _add_row(self, event: Event, state: State, *, converted: bool) -> None:
        if self.state is None or is_change(self.state, state, converted=converted):
            self._change(event, state)
        elif converted and is_newer_answer(self.state, state):
            times = [at for at in (self.state.changed_at, state.changed_at) if at is not None]
            self.state, self.state_run = state._replace(changed_at=max(times, default=None)), event.run_key
        self.seen_at = event.at
        self._forget_misses()

    def _check(self, event: Event, *, held: bool) -> None:
        self.unconfirmed_at = event.at
        seen_during_check = self.seen_at is not None and self.seen_at > event.observed_from
        self.missed_last = not (seen_during_check or event.unread)
        if self.state is None or seen_during_check or event.unread or event.run_key in self.missed_runs:
            return
        settled = (
            self.missed_since is not None
            and len(self.missed_runs) >= SETTLING_RUNS - 1
            and self.missed_since <= event.at - SETTLING_TIME
        )
        if not settled:
            self.missing_in.add(event.run_key)
        if settled or not held:
            self._change(event, None)
            return
        self.missed_since = event.at if self.missed_since is None else self.missed_since
        self.missed_runs.add(event.run_key)

    def _change(self, event: Event, state: State | None) -> None:
        self.valid_from = event.at if self.valid_from is None else max(event.at, self.valid_from + 1)
        self.changes.append(Change(self.valid_from, event.run_key, state))
        self.state, self.state_run = state, event.run_key
        self._forget_misses()

    def _forget_misses(self) -> None:
        self.missed_since, self.missed_last = None, False
        self.missed_runs.clear()


def is_change(was: State, now: State, *, converted: bool) -> bool:
    """Return whether a listed quote changed, by the rule of the SQL macro `is_change`."""
    if was.quantity != now.quantity:
        return True
    if not converted or (was.changed_at is None and now.changed_at is None):
        return was.price != now.price
    if was.changed_at is None or now.changed_at is None:
        return now.changed_at is not None
    return now.changed_at // SECOND > was.changed_at // SECOND


def is_newer_answer(was: State, now: State) -> bool:
    """Return whether a row that is no change in a converted currency has another amount or a newer time."""
    newer = now.changed_at is not None and (was.changed_at is None or now.changed_at > was.changed_at)
    return newer or (was.lowest_ask, was.price) != (now.lowest_ask, now.price)


def is_doubtful(missing: int, returned: int) -> bool:
    """Return whether so many quotes of a book vanished at once that a run closes none of them."""
    return missing > DOUBT_ROWS and missing > DOUBT_SHARE * (missing + returned)

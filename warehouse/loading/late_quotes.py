"""Read all that was observed of late quotes: the quotes whose history is computed anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import duckdb

from warehouse.loading.timeline import Event, Rank, State, Timeline

# A row of the history has the time of its page, or is later by a few microseconds: no two rows have one time.
SHIFT: Final = 1_000
SELECT_KEYS: Final = "SELECT quote_key, book_key, currency <> 'USD' FROM late_key"
SELECT_BASES: Final = """
SELECT quote_key, valid_from, lowest_ask, price, quantity, changed_at, last_updated FROM late_base
"""
SELECT_STORED: Final = """
SELECT quote_key, run_key IN (
        SELECT run_key FROM known_observation WHERE listed UNION SELECT run_key FROM store.acceptance
    ), valid_from, run_id, run_key, lowest_ask, price, quantity, changed_at, last_updated
FROM late_change ORDER BY quote_key, valid_from
"""
SELECT_SIGHTINGS: Final = """
SELECT quote_key, observed_at, run_id, run_key, confirmed_to, interval_seconds FROM late_sighting
"""
SELECT_ROWS: Final = """
SELECT quote_key, observed_at, getvariable('run_id'), getvariable('run_key'), confirmed_to,
    getvariable('interval_seconds'), url, lowest_ask, price, quantity, changed_at, last_updated
FROM late_row_confirmed
"""
SELECT_CHECKS: Final = """
SELECT k.quote_key, epoch_us(c.observed_to), c.run_id, c.run_key, epoch_us(c.observed_from),
    EXISTS (FROM late_unread u WHERE u.run_key = c.run_key AND u.book_key = c.book_key
        AND (u.selection IS NULL OR u.selection = c.selection)
        AND (u.item_key IS NULL OR u.item_key = k.item_key))
FROM late_key k
JOIN late_coverage v USING (quote_key)
JOIN late_check c ON c.scope_key = v.scope_key AND c.book_key = k.book_key
    AND epoch_us(c.observed_from) >= v.since
"""
SELECT_REPLACEMENTS: Final = "SELECT quote_key, observed_at, run_id, run_key FROM late_replacement"
SELECT_ACCEPTANCES: Final = """
SELECT k.quote_key, a.accepted_at, a.run_id, a.run_key
FROM late_key k JOIN late_acceptance a USING (provider_key)
"""


class Sighting(NamedTuple):
    """A row that a run brought of a quote. Without a state, it repeated what the store has for its time.

    The row confirms the quote up to `confirmed_to`: the end of its observation, where that is complete.
    """

    at: int
    run_id: str
    run_key: int
    confirmed_to: int
    interval_seconds: int | None
    url: str | None = None
    state: State | None = None


class StoredChange(NamedTuple):
    """A row of the history. `explained`: the store has the observations of its run, too."""

    explained: bool
    valid_from: int
    run_id: str
    run_key: int
    state: State | None


@dataclasses.dataclass(slots=True)
class LateQuote:
    """One late quote: what was observed of it, and its history as the store has it.

    `base` is the time and state of the last change before the time from which the history is computed anew.
    """

    quote_key: int
    book_key: int
    converted: bool
    base: tuple[int, State | None] | None = None
    stored: list[StoredChange] = dataclasses.field(default_factory=list)
    sightings: list[Sighting] = dataclasses.field(default_factory=list)
    other_events: list[Event] = dataclasses.field(default_factory=list)

    def compute_timeline(self, held: Mapping[int, set[int]], *, without: int | None = None) -> Timeline:
        """Return the history; leave out the run `without`. `held` has the held runs of each book."""
        timeline = Timeline()
        if self.base is not None:
            timeline.valid_from, timeline.state = self.base
        events = (*self._rows(), *self._unexplained_changes(), *self.other_events)
        timeline.extend(
            sorted((event for event in events if event.run_key != without), key=itemgetter(0, 1, 2, 3)),
            converted=self.converted,
            held_runs=held.get(self.book_key, frozenset()),
        )
        return timeline

    def _rows(self) -> Iterator[Event]:
        for sighting in self.sightings:
            state = sighting.state or self._find_stored_state(sighting)
            if state is not None:
                yield Event(sighting.at, Rank.ROW, sighting.run_id, sighting.run_key, state)

    def _find_stored_state(self, sighting: Sighting) -> State | None:
        state = self.base[1] if self.base else None
        for change in self.stored:
            if change.run_key == sighting.run_key and 0 <= change.valid_from - sighting.at <= SHIFT:
                return change.state
            if change.valid_from <= sighting.at:
                state = change.state
        return state

    def _unexplained_changes(self) -> Iterator[Event]:
        for change in self.stored:
            if not change.explained:
                rank = Rank.CLOSURE if change.state is None else Rank.ROW
                yield Event(change.valid_from, rank, change.run_id, change.run_key, change.state)


def read_late_quotes(db: duckdb.DuckDBPyConnection) -> dict[int, LateQuote]:
    """Read the tables of load/collect_late_events.sql; return the late quotes by their keys."""
    quotes = {key: LateQuote(key, *rest) for key, *rest in db.execute(SELECT_KEYS).fetchall()}
    for key, valid_from, *values in db.execute(SELECT_BASES).fetchall():
        quotes[key].base = (valid_from, to_state(values))
    for key, explained, valid_from, run_id, run_key, *values in db.execute(SELECT_STORED).fetchall():
        change = StoredChange(explained, valid_from, run_id, run_key, to_state(values))
        quotes[key].stored.append(change)
    for key, *fields in db.execute(SELECT_SIGHTINGS).fetchall():
        quotes[key].sightings.append(Sighting(*fields))
    for key, at, run_id, run_key, confirmed_to, interval, url, *values in db.execute(SELECT_ROWS).fetchall():
        row = Sighting(at, run_id, run_key, confirmed_to, interval, url, State(*values))
        quotes[key].sightings.append(row)
    for key, event in _read_other_events(db):
        quotes[key].other_events.append(event)
    return quotes


def _read_other_events(db: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, Event]]:
    for key, at, run_id, run_key, observed_from, unread in db.execute(SELECT_CHECKS).fetchall():
        yield key, Event(at, Rank.CHECK, run_id, run_key, observed_from=observed_from, unread=unread)
    for key, *fields in db.execute(SELECT_REPLACEMENTS).fetchall():
        yield key, Event(fields[0], Rank.REPLACEMENT, *fields[1:])
    for key, *fields in db.execute(SELECT_ACCEPTANCES).fetchall():
        yield key, Event(fields[0], Rank.ACCEPTANCE, *fields[1:])


def to_state(values: Sequence[Any]) -> State | None:
    """Return the state of a row, given the values of its fields; None where the row closes the quote."""
    return None if values[0] is None else State(*values)

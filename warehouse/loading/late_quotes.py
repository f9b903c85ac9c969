"""Read all that was observed of late quotes: the quotes whose history is computed anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import duckdb

from warehouse.loading.timeline import Event, Rank, State, Timeline

# A row of the history has the time of its page, or is later by microseconds: no two rows have one time.
SHIFT: Final = 1_000
Place = tuple[int, int, int, str]  # among the events of a quote
SELECT_KEYS: Final = "SELECT quote_key, book_key, currency <> 'USD' FROM late_key"
SELECT_STARTS: Final = """
SELECT run_key, epoch_us(started_at) FROM store.run
UNION ALL SELECT getvariable('run_key'), epoch_us(getvariable('started_at'))
"""
SELECT_BASES: Final = """
SELECT quote_key, valid_from, run_key, lowest_ask, price, quantity, changed_at, last_updated FROM late_base
"""
SELECT_ANSWERS: Final = """
SELECT quote_key, valid_from, run_key, lowest_ask, price, quantity, changed_at, last_updated FROM late_current
"""
SELECT_STORED: Final = """
SELECT quote_key, run_key IN (
        SELECT run_key FROM known_observation WHERE listed UNION SELECT run_key FROM store.acceptance
        UNION SELECT run_key FROM late_removal
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
SELECT_REMOVALS: Final = "SELECT quote_key, removed_at, run_id, run_key FROM late_removal"
SELECT_ACCEPTANCES: Final = """
SELECT k.quote_key, a.accepted_at, a.run_id, a.run_key
FROM late_key k JOIN late_acceptance a USING (provider_key)
"""


class Sighting(NamedTuple):
    """A row that a run returned of a quote. Without a state, it repeated what the store has for its time.

    The row confirms the quote up to `confirmed_to`: the end of its observation, where that is complete.
    """

    at: int
    run_id: str
    run_key: int
    confirmed_to: int
    interval_seconds: int | None
    url: str | None = None
    state: State | None = None


class Answer(NamedTuple):
    """What a run said of a quote, and since when that is so; without a state, the quote was not listed."""

    valid_from: int
    run_key: int
    state: State | None


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

    `started_at` has the start of each run.

    `base` is the last change before the time from which the history is computed anew. `answer` is what the
    store shows now: a converted price is newer there than in the history.
    """

    quote_key: int
    book_key: int
    converted: bool
    started_at: Mapping[int, int]
    base: Answer | None = None
    answer: Answer | None = None
    stored: list[StoredChange] = dataclasses.field(default_factory=list)
    sightings: list[Sighting] = dataclasses.field(default_factory=list)
    other_events: list[Event] = dataclasses.field(default_factory=list)

    @property
    def url(self) -> str | None:
        """The newest URL of the rows that are loaded now."""
        urls = ((sighting.at, sighting.url) for sighting in self.sightings if sighting.url is not None)
        return max(urls, default=(0, None))[1]

    def may_be_missing(self) -> bool:
        """Return whether a complete observation covers the quote whose run has no row of it."""
        runs = {sighting.run_key for sighting in self.sightings}
        return any(event.rank is Rank.CHECK and event.run_key not in runs for event in self.other_events)

    def compute_timeline(self, held: Mapping[int, set[int]], *, without: int | None = None) -> Timeline:
        """Return the history; leave out the run `without`. `held` has the held runs of each book."""
        timeline = Timeline()
        if base := self._find_start():
            timeline.valid_from, timeline.state_run, timeline.state = base
        events = (*self._rows(), *self._unexplained_changes(), *self.other_events)
        timeline.extend(
            sorted((event for event in events if event.run_key != without), key=self._order),
            converted=self.converted,
            held_runs=held.get(self.book_key, frozenset()),
        )
        return timeline

    def _order(self, event: Event) -> Place:
        """Order events of one time by their rank, then by the start of their runs."""
        return event.at, event.rank, self.started_at[event.run_key], event.run_id

    def find_unknown_rows(self, timeline: Timeline) -> list[int]:
        """Return the positions of the sightings that count now, and whose rows the store does not have.

        These are changes, and of a converted price all answers since the last change.
        """
        runs = {change.run_key for change in timeline.changes if change.state is not None}
        last_change = timeline.valid_from if self.converted else None
        return [
            position
            for position, sighting in enumerate(self.sightings)
            if self._find_row(sighting) is None
            and (sighting.run_key in runs or (last_change is not None and sighting.at > last_change))
        ]

    def _find_start(self) -> Answer | None:
        """Return the base, or the answer where that came before all sightings and since the base's change."""
        base, answer = self.base, self.answer
        runs = {sighting.run_key for sighting in self.sightings}
        is_known = base and answer and answer.valid_from == base.valid_from and answer.run_key not in runs
        return answer if is_known else base

    def _rows(self) -> Iterator[Event]:
        stored = [(self._order(self._find_event(change)), change.state) for change in self.stored]
        for sighting in self.sightings:
            state = (
                self._find_row(sighting)
                or self._find_answer(sighting)
                or self._find_valid_state(sighting, stored)
            )
            if state is not None:
                yield Event(sighting.at, Rank.ROW, sighting.run_id, sighting.run_key, state)

    def _find_row(self, sighting: Sighting) -> State | None:
        """Return the state of a sighting's own row; None where the store does not have this row."""
        if sighting.state is not None:
            return sighting.state
        for change in self.stored:
            if change.run_key == sighting.run_key and 0 <= change.valid_from - sighting.at <= SHIFT:
                return change.state
        return None

    def _find_answer(self, sighting: Sighting) -> State | None:
        """Return the last answer if it is the sighting's; its time may be that of an earlier row."""
        answer = self.answer
        # Of a replay, the answer is the last of several rows.
        if answer and answer.run_key == sighting.run_key and sighting.at == self._answered_at(answer):
            return answer.state
        return None

    def _find_valid_state(
        self, sighting: Sighting, stored: Sequence[tuple[Place, State | None]]
    ) -> State | None:
        """Return the state that the store has when a row was observed: the row was no other one.

        `stored` has the stored changes with their places among the events.
        """
        place = self._order(Event(sighting.at, Rank.ROW, sighting.run_id, sighting.run_key))
        if (answer := self.answer) and answer.state:
            answered = self._answered_at(answer), Rank.ROW, self.started_at[answer.run_key]
            if answered < place[:3]:
                return answer.state
        state = self.base.state if self.base else None
        for change_place, change_state in stored:
            if change_place <= place:
                state = change_state
        return state

    def _find_event(self, change: StoredChange) -> Event:
        """Return what a stored change was observed by; the change itself may be later by microseconds."""
        rank = Rank.CHECK if change.state is None else Rank.ROW
        times = [row.at for row in self.sightings if row.run_key == change.run_key]
        times += [event.at for event in self.other_events if event.run_key == change.run_key]
        near = (at for at in times if 0 <= change.valid_from - at <= SHIFT)
        return Event(max(near, default=change.valid_from), rank, change.run_id, change.run_key)

    def _answered_at(self, answer: Answer) -> int:
        """Return the time of the row that gave the answer."""
        times = [row.at for row in self.sightings if row.run_key == answer.run_key]
        return max(times, default=answer.valid_from)

    def _unexplained_changes(self) -> Iterator[Event]:
        for change in self.stored:
            if not change.explained:
                rank = Rank.CLOSURE if change.state is None else Rank.ROW
                yield Event(change.valid_from, rank, change.run_id, change.run_key, change.state)


def read_late_quotes(db: duckdb.DuckDBPyConnection) -> dict[int, LateQuote]:
    """Read the tables of load/collect_late_events.sql; return the late quotes by their keys."""
    started_at = dict(db.execute(SELECT_STARTS).fetchall())
    quotes = {
        key: LateQuote(key, book_key, converted, started_at)
        for key, book_key, converted in db.execute(SELECT_KEYS).fetchall()
    }
    for key, valid_from, run_key, *values in db.execute(SELECT_BASES).fetchall():
        quotes[key].base = Answer(valid_from, run_key, to_state(values))
    for key, valid_from, run_key, *values in db.execute(SELECT_ANSWERS).fetchall():
        quotes[key].answer = Answer(valid_from, run_key, to_state(values))
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
    for key, *fields in db.execute(SELECT_REMOVALS).fetchall():
        yield key, Event(fields[0], Rank.ROW, *fields[1:])
    for key, *fields in db.execute(SELECT_ACCEPTANCES).fetchall():
        yield key, Event(fields[0], Rank.ACCEPTANCE, *fields[1:])


def to_state(values: Sequence[Any]) -> State | None:
    """Return the state of a row, given the values of its fields; None where the row closes the quote."""
    return None if values[0] is None else State(*values)

"""The gaps of a basket, divided into the parts that are filled, fillable, lost or too new. Pure."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from common.time_ranges import INTERVALS, TimeRange, ceil_to, floor_to, intersect, subtract
from pipelines.config import BasketSettings
from warehouse.gaps import CoverageGap, unfilled_spans
from warehouse.state.ticks import MissedTick, describe_ticks

BEGINNING_OF_TIME: Final = datetime.min.replace(tzinfo=UTC)
PartKind = Literal["filled", "fillable", "filled by day", "fillable by day", "lost", "too new"]


@dataclasses.dataclass(frozen=True, slots=True)
class GapPart:
    """A part of a gap, half-open, UTC: already filled, fillable, lost for the reason `why`, or too new.

    A part that is filled by day, or fillable so, is older than the API's points: daily points fill it. A part
    is too new after the last point of the API's grid: it may still change, and is fillable soon.
    """

    start: datetime
    end: datetime
    what: PartKind
    why: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """A time range (UTC) without a complete observation of a basket in one currency, in ordered `pieces`.

    `cause` is absent (nothing ran), skipped or cancelled (runs were due and took nothing), failed,
    incomplete, or feed: a live feed was not heard, and what a snapshot found after it is known. `runs` are
    the runs in the gap, and `reasons` say why they, and those that were due, were not complete. `bids_lost`:
    the basket has bids too, of which the API keeps no history.
    """

    basket: str
    source: str
    currency: str
    start: datetime
    end: datetime
    cause: str
    runs: tuple[str, ...]
    reasons: tuple[str, ...]
    pieces: tuple[GapPart, ...]
    bids_lost: bool = False

    def parts(self, kind: PartKind) -> tuple[GapPart, ...]:
        """Return the parts of one kind."""
        return tuple(part for part in self.pieces if part.what == kind)


@dataclasses.dataclass(frozen=True, slots=True)
class BasketGap:
    """A coverage gap of a basket in one currency, before its parts are classified."""

    basket: BasketSettings
    currency: str
    gap: CoverageGap
    missed: tuple[MissedTick, ...] = ()

    @property
    def cause(self) -> str:
        """The cause of the gap; if nothing ran, what the scheduled runs in it came to most often."""
        outcomes = Counter(tick.outcome for tick in self.missed)
        return outcomes.most_common(1)[0][0] if self.gap.cause == "absent" and outcomes else self.gap.cause

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of the runs, then those of the scheduled runs that took nothing."""
        return (*self.gap.reasons, *describe_ticks(self.missed))


@dataclasses.dataclass(frozen=True, slots=True)
class FilledTime:
    """The time ranges (UTC) that backfills cover for every item and provider of a basket, by series."""

    points: Sequence[TimeRange] = ()
    daily: Sequence[TimeRange] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Retention:
    """The time range (UTC) of which a source still has `points`, empty if none, and why older time is lost.

    With `daily`, the source has daily points of older time.
    """

    points: TimeRange
    why_lost: str
    daily: bool = False

    def without_history(self, now: datetime, why_lost: str) -> Retention:
        """Return the retention of a currency without a history; a tier without one has its own reason."""
        empty = now, now
        return Retention(empty, self.why_lost if self.points == empty else why_lost)


def whole_days(start: datetime, end: datetime) -> TimeRange:
    """Return the UTC days that a time range is in, from the first midnight to the last."""
    day = INTERVALS["1d"]
    return floor_to(start, day), ceil_to(end, day)


def classify_gap(basket_gap: BasketGap, filled: FilledTime, retention: Retention) -> Gap:
    """Divide a gap into its parts, in the order of time."""
    basket, gap = basket_gap.basket, basket_gap.gap
    unfilled = unfilled_spans(gap, filled.points)
    too_old = intersect(unfilled, [(BEGINNING_OF_TIME, retention.points[0])])
    spans: dict[PartKind, list[TimeRange]] = {
        "filled": intersect([(gap.start, gap.end)], filled.points),
        "filled by day": intersect(too_old, filled.daily),
        "fillable by day" if retention.daily else "lost": subtract(too_old, filled.daily),
        "fillable": intersect(unfilled, [retention.points]),
        "too new": intersect(unfilled, [(retention.points[1], gap.end)]),
    }
    parts = [
        GapPart(start, end, kind, why=retention.why_lost if kind == "lost" else "")
        for kind in spans
        for start, end in spans[kind]
    ]
    return Gap(
        basket=basket.name,
        source=basket.source,
        currency=basket_gap.currency,
        start=gap.start,
        end=gap.end,
        cause=basket_gap.cause,
        runs=gap.runs,
        reasons=basket_gap.reasons,
        pieces=tuple(sorted(parts, key=lambda part: part.start)),
        bids_lost=basket.bids,
    )

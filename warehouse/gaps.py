"""Gaps: the spans in which nobody took a complete look at a basket, and what became of the runs in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import duckdb

from common.time_ranges import TimeRange, intersect, subtract

Cause = Literal["absent", "failed", "incomplete"]
# A look this many intervals after the last one comes late; more is a hole.
LATE_AFTER: Final = 1.5
# Each run of a basket, and what it saw in one currency; one that saw other currencies only was not asked for
# this one. A provider that came unasked is never seen completely, and takes nothing from the others. Moments
# of a look are the server's; a run without one has only its own.
RUNS: Final = """
SELECT r.run_id, r.started_at, coalesce(r.finished_at, r.started_at) AS finished_at,
    min(o.observed_from) FILTER (o.currency = $currency) AS observed_from,
    max(o.observed_to) FILTER (o.currency = $currency) AS observed_to,
    r.state = 'done' AND bool_and(o.complete) AS whole,
    coalesce(r.incomplete_reason, any_value(o.reason), r.state) AS reason
FROM runs r
LEFT JOIN observations o ON o.run_id = r.run_id AND o.reason IS DISTINCT FROM 'not asked for'
WHERE r.flow = 'snapshot' AND r.basket = $basket AND r.source = $source
GROUP BY r.run_id, r.state, r.started_at, r.finished_at, r.incomplete_reason
HAVING count(o.run_id) = 0 OR count(*) FILTER (o.currency = $currency) > 0
ORDER BY r.started_at, r.run_id
"""


@dataclass(frozen=True, slots=True)
class CoverageGap:
    """A span without a complete look at a basket: half-open, from `start` to `end` (UTC).

    `cause` is `absent` where no run was in it, `incomplete` where one saw a part of the basket, else
    `failed`. `runs` are the runs in it, and `reasons` say why those were not complete, each once.
    """

    start: datetime
    end: datetime
    cause: Cause
    runs: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    run_id: str
    started_at: datetime
    finished_at: datetime
    observed_from: datetime | None
    observed_to: datetime | None
    whole: bool | None
    reason: str

    @property
    def observation_span(self) -> TimeRange | None:
        """When it looked, if it did."""
        if self.observed_from is None or self.observed_to is None:
            return None
        return self.observed_from, self.observed_to

    def is_in(self, span: TimeRange) -> bool:
        """Whether a part of it lies there."""
        begun, over = self.observation_span or (self.started_at, self.finished_at)
        return begun < span[1] and over >= span[0]


def find_coverage_gaps(
    reader: duckdb.DuckDBPyConnection,
    basket: str,
    source: str,
    interval: timedelta,
    currency: str,
    since: datetime,
    until: datetime,
) -> list[CoverageGap]:
    """The holes of a basket that lie in [since, until), in the order of time.

    A hole is longer than 1.5 intervals. Before the first look there is one from `since` on, after the last
    one there is one to `until`. `reader` is the published database.
    """
    named = {"basket": basket, "source": source, "currency": currency}
    runs = [_Run(*row) for row in reader.execute(RUNS, named).fetchall()]
    looks = [run.observation_span for run in runs if run.whole and run.observation_span]
    partial = [run for run in runs if not run.whole]
    return [_hole(span, partial) for span in uncovered_spans(looks, LATE_AFTER * interval, (since, until))]


def unfilled_spans(hole: CoverageGap, covered: Iterable[TimeRange]) -> list[TimeRange]:
    """What of a hole is not filled yet, where `covered` is held."""
    return subtract([(hole.start, hole.end)], covered)


def uncovered_spans(looks: Sequence[TimeRange], late: timedelta, within: TimeRange) -> list[TimeRange]:
    """The spans between looks that are too long, as far as they lie within."""
    since, until = within
    seen_to: datetime | None = None
    long: list[TimeRange] = []
    for start, end in sorted([*looks, (until, until)]):
        begin = since if seen_to is None else seen_to
        if start - begin > late:
            long.append((begin, start))
        seen_to = end if seen_to is None else max(seen_to, end)
    # one by one: a look that took no time stands between two that touch
    return [span for one in long for span in intersect([one], [within])]


def _hole(span: TimeRange, partial: Sequence[_Run]) -> CoverageGap:
    runs = [run for run in partial if run.is_in(span)]
    seen: Cause = "incomplete" if any(run.observation_span for run in runs) else "failed"
    reasons = tuple(dict.fromkeys(run.reason for run in runs))
    return CoverageGap(*span, seen if runs else "absent", tuple(run.run_id for run in runs), reasons)

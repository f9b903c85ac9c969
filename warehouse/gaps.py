"""Find coverage gaps: the time ranges without a complete observation of a basket, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import duckdb
from msgspec import Struct

from common.time_ranges import TimeRange, intersect, subtract

Cause = Literal["absent", "failed", "incomplete"]
# An observation more than this many intervals after the last one leaves a gap.
LATE_AFTER: Final = 1.5
LONGEST_RUN: Final = timedelta(days=7)
# One row per run of a basket from a time on, with its observations in one currency. A run that observed only
# other currencies was not asked for this one and is left out. A provider that was not asked for is never
# observed completely, and does not make the run incomplete. Observation times are the server's; a run without
# an observation has only its own clock's times.
RUNS: Final = """
WITH observed AS (
    SELECT o.run_key, bool_and(o.complete) AS complete, any_value(o.reason) AS reason,
        count(*) FILTER (s.currency = $currency) AS observations,
        min(o.observed_from) FILTER (s.currency = $currency) AS observed_from,
        max(o.observed_to) FILTER (s.currency = $currency) AS observed_to
    FROM store.observation o JOIN store.scope s USING (scope_key)
    WHERE o.run_key >= $first_key AND o.reason IS DISTINCT FROM 'not asked for'
    GROUP BY o.run_key
)
SELECT r.run_id, r.started_at, coalesce(r.finished_at, r.started_at) AS finished_at,
    o.observed_from, o.observed_to, r.state = 'done' AND o.complete AS complete,
    coalesce(r.incomplete_reason, o.reason, r.state) AS reason
FROM store.run r LEFT JOIN observed o USING (run_key)
WHERE r.flow = 'snapshot' AND r.basket = $basket AND r.source = $source AND r.started_at >= $since
    AND coalesce(o.observations > 0, true)
ORDER BY r.started_at, r.run_id
"""
# Of the observations of years, the storage reads those from this key on.
FIRST_KEY: Final = """
SELECT coalesce(min(run_key), 0) FROM store.run
WHERE flow = 'snapshot' AND basket = $basket AND source = $source AND started_at >= $since
"""


@dataclass(frozen=True, slots=True)
class CoverageGap:
    """A time range without a complete observation of a basket: half-open, from `start` to `end` (UTC).

    `cause` is `absent` where no run was in the gap, `incomplete` where a run observed a part of the basket,
    else `failed`. `runs` are the runs in the gap, and `reasons` say why they were not complete, each once.
    """

    start: datetime
    end: datetime
    cause: Cause
    runs: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


class _Run(Struct, frozen=True):
    """A row of RUNS."""

    run_id: str
    started_at: datetime
    finished_at: datetime
    observed_from: datetime | None
    observed_to: datetime | None
    complete: bool | None
    reason: str

    @property
    def observation_span(self) -> TimeRange | None:
        if self.observed_from is None or self.observed_to is None:
            return None
        return self.observed_from, self.observed_to

    def overlaps(self, span: TimeRange) -> bool:
        start, end = self.observation_span or (self.started_at, self.finished_at)
        return start < span[1] and end >= span[0]


def find_coverage_gaps(
    reader: duckdb.DuckDBPyConnection,
    basket: str,
    source: str,
    *,
    interval: timedelta,
    currency: str,
    since: datetime,
    until: datetime,
) -> list[CoverageGap]:
    """Return the gaps of a basket in [since, until), in the order of time.

    A gap is longer than 1.5 intervals. Time before the first observation counts from `since`, time after the
    last one up to `until`. `reader` is the published database.
    """
    runs = _read_runs(reader, basket, source, currency=currency, since=since)
    observed = [run.observation_span for run in runs if run.complete and run.observation_span]
    not_complete = [run for run in runs if not run.complete]
    spans = uncovered_spans(observed, LATE_AFTER * interval, (since, until))
    return [_explain_gap(span, not_complete) for span in spans]


def _read_runs(
    reader: duckdb.DuckDBPyConnection, basket: str, source: str, *, currency: str, since: datetime
) -> list[_Run]:
    """Return the runs from `since` on, and of those before at least the last one with a complete observation.

    A gap begins at the end of this observation, however long ago that is.
    """
    for start in (since - LONGEST_RUN, datetime.min.replace(tzinfo=UTC)):
        chosen = {"basket": basket, "source": source, "since": start}
        ((first_key,),) = reader.execute(FIRST_KEY, chosen).fetchall()
        parameters = {**chosen, "currency": currency, "first_key": first_key}
        runs = [_Run(*row) for row in reader.execute(RUNS, parameters).fetchall()]
        if any(run.complete and run.observed_from and run.observed_from < since for run in runs):
            break
    return runs


def unfilled_spans(gap: CoverageGap, covered: Iterable[TimeRange]) -> list[TimeRange]:
    """Return the parts of a gap outside of `covered`."""
    return subtract([(gap.start, gap.end)], covered)


def uncovered_spans(
    observed: Sequence[TimeRange], longest_pause: timedelta, within: TimeRange
) -> list[TimeRange]:
    """Return the pauses between observations that are longer than `longest_pause`, clipped to `within`."""
    since, until = within
    covered_to: datetime | None = None
    pauses: list[TimeRange] = []
    # An empty observation at `until` ends the last pause.
    for start, end in sorted([*observed, (until, until)]):
        begin = since if covered_to is None else covered_to
        if start - begin > longest_pause:
            pauses.append((begin, start))
        covered_to = end if covered_to is None else max(covered_to, end)
    # Clip each alone: two pauses that meet at an observation of no length stay two.
    return [span for pause in pauses for span in intersect([pause], [within])]


def _explain_gap(span: TimeRange, not_complete: Sequence[_Run]) -> CoverageGap:
    runs = [run for run in not_complete if run.overlaps(span)]
    cause: Cause = "incomplete" if any(run.observation_span for run in runs) else "failed"
    reasons = tuple(dict.fromkeys(run.reason for run in runs))
    start, end = span
    run_ids = tuple(run.run_id for run in runs)
    return CoverageGap(start, end, cause if runs else "absent", runs=run_ids, reasons=reasons)

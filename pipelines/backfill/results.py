"""The result of a backfill run: its state, its counts, its exit code, and what to do next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from common.errors import BudgetSpent, KeyMissing, QuotaExhausted, SourceError
from common.field_counts import FieldCounts
from pipelines.alerts.rules import SEE_REJECTS
from pipelines.exit_codes import DONE, EXIT_CODES, run_state
from pipelines.results import RunResult
from warehouse.landing.set_aside import find_set_aside
from warehouse.loading.rejects import UNUSABLE
from warehouse.paths import WarehousePaths
from warehouse.queries.runner import run_query
from warehouse.state.backfill_rows import BackfillRecord

STOPPED: Final = "stopped"  # by the request's own budget
MAX_REASONS: Final = 5
LOADED_ROWS: Final = """
SELECT coalesce(sum(rows_fetched), 0)::BIGINT, coalesce(sum(rows_changed), 0)::BIGINT,
    coalesce(sum(rows_rejected), 0)::BIGINT
FROM runs WHERE list_contains(?, run_id)
"""


@dataclasses.dataclass(slots=True)
class ShardTally:
    """The rows of one shard, those of earlier runs included, and the reasons of its rejects in this run."""

    rows: int = 0
    rejects: FieldCounts = dataclasses.field(default_factory=FieldCounts)

    @property
    def problem(self) -> str | None:
        """Why the shard is not complete although it was read to its end, or None: no row could be used."""
        if self.rows or not self.rejects:
            return None
        ((reason, _),) = self.rejects.most_common(1)
        return f"every row was rejected: {reason}"


@dataclasses.dataclass(slots=True)
class ExtractTotals:
    """Running totals of an extraction; `unknown_providers` counts rejected rows by reason."""

    rows: int = 0
    pages: int = 0
    broken: list[str] = dataclasses.field(default_factory=list)
    unknown_providers: FieldCounts = dataclasses.field(default_factory=FieldCounts)
    unknown_fields: FieldCounts = dataclasses.field(default_factory=FieldCounts)


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillOutcome:
    """How a run ended: its state, the error that ended it if there was one, and its totals."""

    state: str
    error: SourceError | None = None
    totals: ExtractTotals = dataclasses.field(default_factory=ExtractTotals)

    @classmethod
    def from_run(cls, error: SourceError | None, totals: ExtractTotals | None = None) -> BackfillOutcome:
        """Return the outcome of a run that `error` ended, or that reached the end of its shards."""
        totals = totals or ExtractTotals()
        stopped = isinstance(error, BudgetSpent)
        return cls(STOPPED if stopped else run_state(error, complete=not totals.broken), error, totals)

    @property
    def reason(self) -> str | None:
        """Why the backfill is not complete: the error, or the first few broken shards; None if complete."""
        broken = self.totals.broken
        more = [f"and {len(broken) - MAX_REASONS:,} more"] if len(broken) > MAX_REASONS else []
        return str(self.error) if self.error else "; ".join([*broken[:MAX_REASONS], *more]) or None


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillResult:
    """One run of a backfill. The shards are counted over all its runs, rows and requests in this run only.

    `state` is done, incomplete, stopped (by `--budget`), cancelled, what stopped the source (auth_failed,
    quota_exhausted, plan_forbids, failed), or unusable where no row could be loaded of those that came.
    `rows_new` counts new and changed rows. `broken` has the reason of each broken shard, `set_aside` that of
    each landing that could not be loaded. `hint` says what to do next.
    `backfill_id` is empty if no backfill was started.
    """

    backfill_id: str
    series: str
    source: str
    state: str
    shards_done: int = 0
    shards_broken: int = 0
    shards_left: int = 0
    rows: int = 0
    rows_new: int = 0
    rows_rejected: int = 0
    requests: int = 0
    quota_remaining: int | None = None
    broken: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    unknown_fields: Mapping[str, int] = dataclasses.field(default_factory=dict)
    runs: tuple[str, ...] = ()
    error: SourceError | None = None
    key_tail: str = ""
    hint: str = ""

    @property
    def exit_code(self) -> int:
        """The exit code of the command if this is the only result."""
        if isinstance(self.error, KeyMissing):
            return 2
        return 5 if self.state == STOPPED else EXIT_CODES[self.state]


@dataclasses.dataclass(frozen=True, slots=True)
class LoadSummary:
    """The loads of a run's landings; `set_aside` has the reason of each landing that cannot be read."""

    runs: tuple[str, ...]
    rows: int
    rows_new: int
    rows_rejected: int
    set_aside: tuple[str, ...]

    def final_state(self, state: str) -> str:
        """Return the state of a run that ended in `state`, given what could be loaded of it."""
        if state not in {DONE, "incomplete"}:
            return state
        if not self.rows and (self.rows_rejected or self.set_aside):
            return UNUSABLE
        return "incomplete" if self.set_aside else state


def summarize_loads(paths: WarehousePaths, runs: Sequence[str]) -> LoadSummary:
    """Return the loads of the landings with these run ids, whichever process loaded them."""
    ((rows, new, rejected),) = run_query(paths, LOADED_ROWS, [list(runs)]).rows
    set_aside = tuple(str(landing) for landing in find_set_aside(paths) if landing.run_id in set(runs))
    return LoadSummary(tuple(runs), rows=rows, rows_new=new, rows_rejected=rejected, set_aside=set_aside)


def build_result(
    run: RunResult,
    series: str,
    record: BackfillRecord | None,
    *,
    outcome: BackfillOutcome,
    loads: LoadSummary,
) -> BackfillResult:
    """Return the result of a run from its outcome and its loads."""
    state = loads.final_state(outcome.state)
    shards, done, broken = (record.shards, record.done, record.broken) if record else (0, 0, 0)
    return BackfillResult(
        backfill_id=run.basket,
        series=series,
        source=run.source,
        state=state,
        shards_done=done,
        shards_broken=broken,
        shards_left=shards - done - broken,
        rows=outcome.totals.rows,
        rows_new=loads.rows_new,
        rows_rejected=loads.rows_rejected,
        requests=run.requests,
        quota_remaining=run.quota_remaining,
        broken=tuple(outcome.totals.broken),
        set_aside=loads.set_aside,
        unknown_fields=run.unknown_fields,
        runs=loads.runs,
        error=outcome.error,
        key_tail=run.key_tail,
        hint=SEE_REJECTS if state == UNUSABLE and not loads.set_aside else _hint(run.basket, outcome),
    )


def _hint(backfill_id: str, outcome: BackfillOutcome) -> str:
    if outcome.state in {DONE, "cancelled"}:
        return ""
    command = f"`floorline backfill --resume {backfill_id}`" if backfill_id else "the same command"
    if outcome.state == "incomplete":
        return f"{command} retries the broken shards from where they broke"
    if isinstance(outcome.error, QuotaExhausted) and outcome.state != STOPPED:
        at = outcome.error.resets_at
        reset = f"at {at:%Y-%m-%d %H:%M} UTC" if at else "with the next month"
        return f"the month's quota resets {reset}; {command} continues then"
    return f"{command} continues where it stopped" if backfill_id else f"{command} tries again"

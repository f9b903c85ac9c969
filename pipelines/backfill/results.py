"""What a backfill came to, what is left of it, and the exit code that says so."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from common.errors import KeyMissing, QuotaExhausted, SourceError
from pipelines.results import DONE, EXIT_CODES, RunResult
from warehouse.paths import WarehousePaths
from warehouse.queries import run_query
from warehouse.state.backfill_rows import BackfillRecord

STOPPED: Final = "stopped"  # by its budget
MAX_REASONS: Final = 5
COUNTS: Final = """
SELECT coalesce(sum(rows_changed), 0)::BIGINT, coalesce(sum(rows_rejected), 0)::BIGINT
FROM runs WHERE list_contains(?, run_id)
"""


@dataclasses.dataclass(slots=True)
class ExtractTotals:
    """What a run has brought so far; `strangers` counts the rows of unknown providers, by reason."""

    rows: int = 0
    pages: int = 0
    broken: list[str] = dataclasses.field(default_factory=list)
    strangers: Counter[str] = dataclasses.field(default_factory=Counter)
    unknown_fields: Counter[str] = dataclasses.field(default_factory=Counter)


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillOutcome:
    """How a run ended: its state, the error that ended it if one did, and what it had brought."""

    state: str
    error: SourceError | None = None
    brought: ExtractTotals = dataclasses.field(default_factory=ExtractTotals)

    @property
    def reason(self) -> str | None:
        """Why it is not whole; of many broken shards, the first few say it."""
        broken = self.brought.broken
        more = [f"and {len(broken) - MAX_REASONS:,} more"] if len(broken) > MAX_REASONS else []
        return str(self.error) if self.error else "; ".join([*broken[:MAX_REASONS], *more]) or None


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillResult:
    """One run of a backfill. Shards are counted over all its runs, rows and requests in this one.

    `state` is done, incomplete, stopped (by `--budget`), cancelled, or what befell the source (auth_failed,
    quota_exhausted, plan_forbids, failed). `rows_new` counts rows that were new or different; `broken` says
    of each broken shard why, `set_aside` of each landing that could not be loaded; `hint` says what to do
    next. `backfill_id` is empty where nothing was begun.
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
        """What the command ends with."""
        if isinstance(self.error, KeyMissing):
            return 2
        return 5 if self.state == STOPPED else EXIT_CODES[self.state]

    def as_json(self) -> dict[str, object]:
        """Everything, for machines."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**fields, "error": str(self.error) if self.error else None}


@dataclasses.dataclass(frozen=True, slots=True)
class LoadSummary:
    """What became of the landings of a run; `set_aside` says of each that cannot be read why."""

    runs: tuple[str, ...]
    rows_new: int
    rows_rejected: int
    set_aside: tuple[str, ...]


def summarize_loads(home: WarehousePaths, runs: Sequence[str]) -> LoadSummary:
    """What became of the landings of these runs, whichever process loaded them."""
    ((new, rejected),) = run_query(home, COUNTS, [list(runs)]).rows
    marks = {run_id: home.landing / run_id / "unreadable" for run_id in runs}
    aside = tuple(f"{run_id}: {mark.read_text('utf-8')}" for run_id, mark in marks.items() if mark.exists())
    return LoadSummary(tuple(runs), new, rejected, aside)


def build_result(
    run: RunResult, series: str, record: BackfillRecord | None, ended: BackfillOutcome, loaded: LoadSummary
) -> BackfillResult:
    """What a run came to, from how it ended and what was loaded of it."""
    shards, done, broken = (record.shards, record.done, record.broken) if record else (0, 0, 0)
    return BackfillResult(
        backfill_id=run.basket,
        series=series,
        source=run.source,
        state="incomplete" if loaded.set_aside and ended.state == DONE else ended.state,
        shards_done=done,
        shards_broken=broken,
        shards_left=shards - done - broken,
        rows=ended.brought.rows,
        rows_new=loaded.rows_new,
        rows_rejected=loaded.rows_rejected,
        requests=run.requests,
        quota_remaining=run.quota_remaining,
        broken=tuple(ended.brought.broken),
        set_aside=loaded.set_aside,
        unknown_fields=run.unknown_fields,
        runs=loaded.runs,
        error=ended.error,
        key_tail=run.key_tail,
        hint=_hint(run.basket, ended),
    )


def _hint(backfill_id: str, ended: BackfillOutcome) -> str:
    """What to do next."""
    if ended.state in {DONE, "cancelled"}:
        return ""
    again = f"`floorline backfill --resume {backfill_id}`" if backfill_id else "the same command"
    if ended.state == "incomplete":
        return f"{again} begins anew what broke, where it broke"
    if isinstance(ended.error, QuotaExhausted) and ended.state != STOPPED:
        return f"the month starts anew {_at(ended.error.resets_at)}; {again} goes on then"
    return f"{again} goes on where it stopped" if backfill_id else f"{again} tries again"


def _at(moment: datetime | None) -> str:
    return f"at {moment:%Y-%m-%d %H:%M} UTC" if moment else "with the next month"

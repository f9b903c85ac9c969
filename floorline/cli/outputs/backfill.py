"""The results of `floorline backfill ...`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from floorline.cli.json_output import ErrorOutput
from floorline.cli.outputs import copy_fields
from pipelines.backfill.plan import BackfillPlan
from pipelines.backfill.results import BackfillResult
from warehouse.state.backfill_rows import BackfillRecord, BackfillShard


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillPlanOutput:
    """What a backfill would fetch, and its cost.

    `backfill_id` is that of the backfill that would be resumed, null for a new one. `items` is null for all
    items. `shards` counts the shards to fetch, `shards_begun` those of an earlier run among them.
    `requests_expected` is the likely number, null if the warehouse has seen nothing like it.
    `requests_at_most` and `seconds_at_most` are null if there is no known maximum; seconds are those at the
    tier's rate. `requests_left` is what is left of the month's quota, null if unknown.
    """

    backfill_id: str | None
    request: Mapping[str, Any]
    source: str
    tier: str
    start: datetime
    end: datetime
    items: int | None
    shards: int
    shards_begun: int
    requests_at_least: int
    requests_at_most: int | None
    requests_expected: int | None
    seconds_at_least: float | None
    seconds_at_most: float | None
    requests_left: int | None
    fits: bool
    notes: tuple[str, ...]

    @classmethod
    def from_plan(cls, plan: BackfillPlan) -> BackfillPlanOutput:
        """Return a plan as it is printed."""
        seconds = [None if minutes is None else 60 * minutes for minutes in plan.minutes]
        return cls(
            backfill_id=plan.backfill_id or None,
            request=plan.request.model_dump(mode="json"),
            source=plan.source,
            tier=plan.tier,
            start=plan.start,
            end=plan.end,
            items=plan.items,
            shards=plan.shards,
            shards_begun=plan.resumed,
            requests_at_least=plan.at_least,
            requests_at_most=plan.at_most,
            requests_expected=plan.expected,
            seconds_at_least=seconds[0],
            seconds_at_most=seconds[1],
            requests_left=plan.month.left,
            fits=plan.fits,
            notes=plan.notes,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillRunOutput:
    """One run of a backfill. The shards are counted over all its runs, rows and requests in this run only.

    `state` is done, incomplete, stopped (by `--budget`), cancelled, auth_failed, quota_exhausted,
    plan_forbids, failed or unusable. `rows_new` counts new and changed rows. `broken` has the reason of each
    broken shard, `set_aside` that of each landing that could not be loaded. `hint` says what to do next.
    `backfill_id` is null if no backfill was started.
    """

    backfill_id: str | None
    series: str
    source: str
    state: str
    exit_code: int
    error: ErrorOutput | None
    shards_done: int
    shards_broken: int
    shards_left: int
    rows: int
    rows_new: int
    rows_rejected: int
    requests: int
    requests_left: int | None
    broken: tuple[str, ...]
    set_aside: tuple[str, ...]
    unknown_fields: Mapping[str, int]
    runs: tuple[str, ...]
    key_tail: str
    hint: str

    @classmethod
    def from_result(cls, result: BackfillResult) -> BackfillRunOutput:
        """Return a result as it is printed."""
        return cls(
            **copy_fields(
                cls,
                result,
                backfill_id=result.backfill_id or None,
                error=result.error and ErrorOutput.from_error(result.error, result.exit_code),
                requests_left=result.quota_remaining,
            )
        )


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillOutput:
    """The result of `floorline backfill`: with `--dry-run` the plans, else the runs."""

    dry_run: bool
    plans: tuple[BackfillPlanOutput, ...] = ()
    runs: tuple[BackfillRunOutput, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillSummaryOutput:
    """A backfill and its progress. `state` is running, done, stopped, incomplete or cancelled.

    `run_by` is the process that runs the backfill now: null means that nobody does, and that a `running` one
    was interrupted. `requests_at_most` is null if there was no known maximum. `rows` and `requests` are sums
    over all runs.
    """

    backfill_id: str
    series: str
    source: str
    request: Mapping[str, Any]
    state: str
    reason: str | None
    run_by: str | None
    created_at: datetime
    updated_at: datetime
    requests_at_least: int
    requests_at_most: int | None
    shards: int
    shards_done: int
    shards_broken: int
    rows: int
    requests: int

    @classmethod
    def from_record(cls, record: BackfillRecord, holder: str | None) -> BackfillSummaryOutput:
        """Return a backfill as it is printed; `holder` is the process that runs it now."""
        return cls(
            **copy_fields(
                cls,
                record,
                run_by=holder,
                requests_at_least=record.at_least,
                requests_at_most=record.at_most,
                shards_done=record.done,
                shards_broken=record.broken,
            )
        )


@dataclasses.dataclass(frozen=True, slots=True)
class ShardOutput:
    """A shard of a backfill: one item (null: all) at one provider (null: all), from `start` to `end`.

    `state` is waiting, running, done or broken; `reason` says why. A broken shard has been read down to
    `oldest`, the time of its oldest row.
    """

    number: int
    state: str
    reason: str | None
    item: str | None
    phase: str | None
    provider: str | None
    currency: str
    interval: str | None
    start: datetime
    end: datetime
    oldest: datetime | None
    rows: int
    requests: int

    @classmethod
    def from_shard(cls, shard: BackfillShard) -> ShardOutput:
        """Return a shard as it is printed."""
        ask = shard.ask
        return cls(
            number=shard.number,
            state=shard.state,
            reason=shard.reason,
            item=ask.item and ask.item.market_hash_name,
            phase=ask.item and ask.item.phase,
            provider=ask.provider,
            currency=ask.currency,
            interval=ask.interval,
            start=ask.start,
            end=ask.end,
            oldest=shard.oldest,
            rows=shard.rows,
            requests=shard.requests,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillDetailsOutput:
    """A backfill, and all of its shards in their order."""

    backfill: BackfillSummaryOutput
    shards: tuple[ShardOutput, ...]

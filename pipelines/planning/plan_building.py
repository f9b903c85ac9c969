"""Divide the steps of a plan into the shards of a run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from common.shards import Item
from connectors.shards import Route, Shard
from pipelines.planning.model import PlanStep, SnapshotPlan, SnapshotRequest

# The most items of a shard.
SHARD_LIMITS: Final[Mapping[Route, int]] = {"item": 100, "batch": 1_000}


def build_plan(
    request: SnapshotRequest,
    steps: Sequence[PlanStep],
    *,
    notes: tuple[str, ...],
    stream_starts: Mapping[str, int] | None = None,
    fx_table: bool = False,
) -> SnapshotPlan:
    """Return the plan of these steps. Offers are read one by one: their step has no shard."""
    parts = [(step, items) for step in steps if step.route != "offers" for items in _split_items(step)]
    shards = tuple(
        Shard(
            number=number,
            source=request.source,
            currency=step.currency,
            providers=step.providers,
            items=items,
            deliveries=step.deliveries,
            every_provider=step.every_provider,
            route=step.route,
        )
        for number, (step, items) in enumerate(parts)
    )
    return SnapshotPlan(shards, notes, tuple(steps), fx_table=fx_table, stream_starts=stream_starts or {})


def _split_items(step: PlanStep) -> Iterator[tuple[Item, ...] | None]:
    """Yield the items of each shard of a step."""
    size = SHARD_LIMITS.get(step.route)
    if step.items is None or size is None:
        yield step.items
        return
    for start in range(0, len(step.items), size):
        yield step.items[start : start + size]

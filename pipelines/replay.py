"""Replay of rejected rows: rows that fit now are landed and loaded as observed at their own time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

import polars as pl

from common.clock import Clock
from common.shards import ITEM_NOT_REQUESTED, PROVIDER_NOT_REQUESTED
from connectors.cs2cap import parser
from connectors.skinshark import contract
from pipelines.config import Settings
from pipelines.loading import load_and_publish, read_published
from pipelines.snapshot.extraction import new_run_id
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.queries.runner import run_query

SELECT_REJECTS = """
SELECT reject_id, source, basket, currency, deliveries, provider, observed_at, raw FROM rejects
WHERE replayed_run_id IS NULL AND deliveries <> []
    AND NOT starts_with(reason, $1) AND NOT starts_with(reason, $2)
ORDER BY source, basket, currency, deliveries, observed_at
"""
COUNT_SERIES_REJECTS = "SELECT count(*) FROM rejects WHERE replayed_run_id IS NULL AND deliveries = []"
Reject = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Replayed:
    """The rejects of one basket in one currency: how many were read, and how many fit now."""

    run_id: str
    basket: str
    currency: str
    read: int
    fitting: int


def replay(settings: Settings, clock: Clock) -> list[Replayed]:
    """Parse every reject that was not replayed yet, and load those that fit. Raises WarehouseError."""
    paths = settings.paths
    unrequested = [ITEM_NOT_REQUESTED, PROVIDER_NOT_REQUESTED]  # other answers than those to our requests
    query = partial(run_query, paths, SELECT_REJECTS, unrequested)
    rejects = read_published(paths, clock, query).records()
    kinds = {name: source.kind for name, source in settings.sources.items()}
    replayed = []
    for _, group in groupby(rejects, key=itemgetter("source", "basket", "currency", "deliveries")):
        same_scope = list(group)
        kind = kinds.get(same_scope[0]["source"])
        parsed = [(reject, rows) for reject in same_scope if (rows := _reparse(reject, kind)) is not None]
        if parsed:
            replayed.append(_land(paths, same_scope, parsed, clock))
    if replayed:
        load_and_publish(settings, [], clock)
    return replayed


def count_series_rejects(settings: Settings, clock: Clock) -> int:
    """Return how many rejects are rows of a series, which `replay` cannot read. Raises WarehouseError."""
    paths = settings.paths
    query = partial(run_query, paths, COUNT_SERIES_REJECTS)
    ((count,),) = read_published(paths, clock, query).rows
    return int(count)


def _reparse(reject: Reject, kind: str | None) -> pl.DataFrame | None:
    """Parse a reject as a row of its source; None if it does not fit, or the source is not configured."""
    match kind, reject["deliveries"], reject["provider"]:
        case "skinshark", _, str(provider):
            return contract.reparse_reject(reject["raw"], provider)
        case "cs2cap", [delivery], _:
            return parser.reparse_reject(reject["raw"], delivery)
    return None


def _land(
    paths: WarehousePaths,
    rejects: Sequence[Reject],
    parsed: Sequence[tuple[Reject, pl.DataFrame]],
    clock: Clock,
) -> Replayed:
    """Land the parsed rows, a page per reject, in a shard that never counts as complete."""
    first, now = rejects[0], clock.now()
    header = RunHeader(
        run_id=new_run_id(now),
        flow="replay",
        source=first["source"],
        basket=first["basket"],
        started_at=now,
    )
    with LandingWriter(paths.landing, header) as landing:
        shard_header = ShardHeader(0, first["currency"], tuple(first["deliveries"]), providers=(), items=())
        writer = landing.open_shard(shard_header)
        for number, (reject, rows) in enumerate(parsed):
            meta = PageMeta(number, 0, 1, observed_at=reject["observed_at"], landed_at=now, fingerprint="")
            writer.append(meta, rows)
        writer.finish(complete=False, reason="replayed rejects")
        ids = [reject["reject_id"] for reject, _ in parsed]
        landing.finish("done", finished_at=now, requests=0, replayed=ids)
    return Replayed(header.run_id, header.basket, first["currency"], len(rejects), fitting=len(parsed))

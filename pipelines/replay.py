"""Rejected rows, read once more after a fix: those that fit are landed and loaded in their place in time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import polars as pl

from common.clock import Clock
from connectors.cs2cap import parser
from connectors.skinshark import contract
from pipelines.config import Settings
from pipelines.loading import load_and_publish
from pipelines.snapshot.extraction import new_run_id
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.queries import run_query

REJECTS = """
SELECT reject_id, source, basket, currency, deliveries, provider, observed_at, raw FROM rejects
WHERE replayed_run_id IS NULL ORDER BY source, basket, currency, deliveries, observed_at
"""
ParsedReject = tuple[dict[str, Any], pl.DataFrame]


@dataclasses.dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one basket's rejects in one currency."""

    run_id: str
    basket: str
    currency: str
    read: int
    fitting: int


def replay(settings: Settings, clock: Clock) -> list[Replayed]:
    """Read every reject that was not replayed; what fits is loaded as observed when it was."""
    home = WarehousePaths(settings.root)
    rejects = run_query(home, REJECTS).records()
    kinds = {name: source.kind for name, source in settings.sources.items()}
    read = ((group, _fitting(group, kinds.get(group[0]["source"]))) for group in _grouped(rejects))
    done = [_land(home, group, fitting, clock) for group, fitting in read if fitting]
    if done:
        load_and_publish(settings, [], clock)
    return done


def _grouped(rejects: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for _, group in groupby(rejects, key=itemgetter("source", "basket", "currency", "deliveries")):
        yield list(group)


def _fitting(rejects: Sequence[dict[str, Any]], kind: str | None) -> list[ParsedReject]:
    return [(reject, rows) for reject in rejects if (rows := _reparse(reject, kind)) is not None]


def _reparse(reject: dict[str, Any], kind: str | None) -> pl.DataFrame | None:
    """Read a reject as its source's rows are read; None where it does not fit, or the source is no more."""
    match kind, reject["deliveries"], reject["provider"]:
        case "skinshark", _, str(provider):
            return contract.reparse_reject(reject["raw"], provider)
        case "cs2cap", [delivery], _:
            return parser.reparse_reject(reject["raw"], delivery)
    return None


def _land(
    home: WarehousePaths, rejects: Sequence[dict[str, Any]], fitting: Sequence[ParsedReject], clock: Clock
) -> Replayed:
    """Land what fits: a page a moment of observation, in a shard that is never taken for complete."""
    first, now = rejects[0], clock.now()
    header = RunHeader(new_run_id(now), "replay", first["source"], first["basket"], now)
    with LandingWriter(home.landing, header) as landing:
        writer = landing.open_shard(ShardHeader(0, first["currency"], tuple(first["deliveries"]), (), ()))
        for place, (reject, rows) in enumerate(fitting):
            writer.append(_mark(place, reject["observed_at"], now), rows)
        writer.finish(complete=False, reason="replayed rejects")
        ids = [reject["reject_id"] for reject, _ in fitting]
        landing.finish("done", finished_at=now, requests=0, replayed=ids)
    return Replayed(header.run_id, header.basket, first["currency"], len(rejects), len(fitting))


def _mark(place: int, observed_at: datetime, now: datetime) -> PageMeta:
    return PageMeta(place, 0, 1, observed_at, now, "")

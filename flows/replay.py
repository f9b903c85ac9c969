"""Rejected rows, read once more after a fix: those that fit are landed and loaded in their place in time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import polars as pl

from connectors import cs2cap_answers, skinshark_rows
from connectors.clock import Clock
from flows.config import Settings
from flows.fetch import new_run_id
from flows.loading import load_and_publish
from warehouse.home import Home
from warehouse.landing import Landing, RunHeader
from warehouse.marks import PageMark, ShardHeader
from warehouse.query import ask

REJECTS = """
SELECT reject_id, source, basket, currency, deliveries, provider, observed_at, raw FROM rejects
WHERE replayed_run_id IS NULL ORDER BY source, basket, currency, deliveries, observed_at
"""


Fitting = tuple[dict[str, Any], pl.DataFrame]


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
    home = Home(settings.root)
    rejects = ask(home, REJECTS).records()
    kinds = {name: source.kind for name, source in settings.sources.items()}
    read = ((group, _fitting(group, kinds.get(group[0]["source"]))) for group in _grouped(rejects))
    done = [_land(home, group, fitting, clock) for group, fitting in read if fitting]
    if done:
        load_and_publish(settings, [], clock)
    return done


def _grouped(rejects: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for _, group in groupby(rejects, key=itemgetter("source", "basket", "currency", "deliveries")):
        yield list(group)


def _fitting(rejects: Sequence[dict[str, Any]], kind: str | None) -> list[Fitting]:
    return [(reject, rows) for reject in rejects if (rows := _reread(reject, kind)) is not None]


def _reread(reject: dict[str, Any], kind: str | None) -> pl.DataFrame | None:
    """Read a reject as its source's rows are read; None where it does not fit, or the source is no more."""
    match kind, reject["deliveries"], reject["provider"]:
        case "skinshark", _, str(provider):
            return skinshark_rows.reread(reject["raw"], provider)
        case "cs2cap", [delivery], _:
            return cs2cap_answers.reread(reject["raw"], delivery)
    return None


def _land(
    home: Home, rejects: Sequence[dict[str, Any]], fitting: Sequence[Fitting], clock: Clock
) -> Replayed:
    """Land what fits: a page a moment of observation, in a shard that is never taken for complete."""
    first, now = rejects[0], clock.now()
    header = RunHeader(new_run_id(now), "replay", first["source"], first["basket"], now)
    with Landing(home.landing, header) as landing:
        writer = landing.shard(ShardHeader(0, first["currency"], tuple(first["deliveries"]), (), ()))
        for place, (reject, rows) in enumerate(fitting):
            writer.append(_mark(place, reject["observed_at"], now), rows)
        writer.finish(complete=False, reason="replayed rejects")
        ids = [reject["reject_id"] for reject, _ in fitting]
        landing.finish("done", finished_at=now, requests=0, replayed=ids)
    return Replayed(header.run_id, header.basket, first["currency"], len(rejects), len(fitting))


def _mark(place: int, observed_at: datetime, now: datetime) -> PageMark:
    return PageMark(place, 0, 1, observed_at, now, "")

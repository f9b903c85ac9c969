"""Random worlds: from a kind and a seed, the same landings every time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from random import Random

from tests.support.warehouse import Page, ShardSpec
from tests.support.worlds.baskets import Basket, Request, create_baskets
from tests.support.worlds.kinds import KINDS, Kind
from tests.support.worlds.landings import Landing
from tests.support.worlds.market import Market
from tests.support.worlds.runs import SECOND, RunBuilder, Unreadable
from tests.support.worlds.shrinking import create_shrinking_landings
from warehouse.landing.model import RunHeader

# A month ends in most worlds.
START = datetime(2026, 6, 30, 22, tzinfo=UTC)
GAPS = (60, 300, 600, 900, 3600, 20_000)


@dataclasses.dataclass(frozen=True, slots=True)
class GeneratedWorld:
    """The landings of a world, in the order in which their runs started."""

    kind: str
    seed: int
    landings: Sequence[Landing]

    def shuffled(self) -> list[Landing]:
        """Return the landings in another order of the same seed: for `late`, one or two come late."""
        rng, landings = Random(f"order of {self.kind} {self.seed}"), list(self.landings)
        if self.kind != "late":
            return rng.sample(landings, len(landings))
        for _ in range(rng.randint(1, 2)):
            late = landings.pop(rng.randrange(len(landings)))
            landings.insert(rng.randint(0, len(landings)), late)
        return landings

    @property
    def times(self) -> list[datetime]:
        """Some times between the runs, for quotes_as_of."""
        starts = [landing.header.started_at for landing in self.landings]
        return [
            starts[0] + 30 * SECOND,
            starts[len(starts) // 2] + 90 * SECOND,
            starts[-1] + timedelta(days=2),
        ]


def generate_world(kind: str, seed: int) -> GeneratedWorld:
    """Return the world of a kind (one of KINDS, or `shrinking`) and a seed."""
    rng = Random(f"{kind} {seed}")
    if kind == "shrinking":
        return GeneratedWorld(kind, seed, create_shrinking_landings(rng))
    return GeneratedWorld(kind, seed, WorldBuilder(rng, KINDS[kind]).build())


class WorldBuilder:
    """Lets time pass on the markets of a world, and runs its baskets."""

    def __init__(self, rng: Random, kind: Kind) -> None:
        self._rng, self._kind, self._now = rng, kind, START
        self._markets = [Market(rng, kind, source, at=START) for source in kind.sources]
        self._baskets = [basket for market in self._markets for basket in create_baskets(rng, kind, market)]
        self._landings: list[Landing] = []
        self._unreadable: list[tuple[Basket, Request, Unreadable]] = []

    def build(self) -> list[Landing]:
        """Return the landings of all runs."""
        rng = self._rng
        for _ in range(rng.randint(*self._kind.runs)):
            self._run(rng.choice(self._baskets))
            for market in self._markets:
                market.pass_time(self._now)
            if rng.random() < self._kind.replayed:
                self._replay()
        return self._landings

    def _next_id(self) -> str:
        """Return the id of the next run; the order of ids is not that of time."""
        return f"{self._rng.choice('abcdef')}-{len(self._landings):02}"

    def _run(self, basket: Basket) -> None:
        run = RunBuilder(self._rng, self._kind, basket, run_id=self._next_id(), at=self._now)
        self._landings.append(run.build())
        self._unreadable += [(basket, request, row) for request, row in run.unreadable]
        if self._rng.random() < self._kind.concurrent:
            length = int((run.ended_at - self._now).total_seconds())
            self._now += self._rng.randint(1, max(length, 1)) * SECOND
        else:
            self._now = run.ended_at + self._rng.choice(GAPS) * SECOND

    def _replay(self) -> None:
        """Replay what is rejected so far, a landing for each basket, currency and deliveries."""
        rejected, self._unreadable = self._unreadable, []
        groups = groupby(sorted(rejected, key=_group_of), key=_group_of)
        for _, group in groups:
            rows = list(group)
            basket, request, _ = rows[0]
            self._landings.append(self._replay_landing(basket, request, [row for _, _, row in rows]))
            self._now += 10 * SECOND

    def _replay_landing(self, basket: Basket, request: Request, rows: Sequence[Unreadable]) -> Landing:
        """Return the landing of a replay: a page for each row, at the moment of the row's own page."""
        pages = [
            Page(moment_of(row.page), [row.quote], request=number, landed_at=self._now)
            for number, row in enumerate(rows)
        ]
        shard = ShardSpec(
            pages, request.currency, providers=(), items=(), complete=False, deliveries=request.deliveries
        )
        header = RunHeader(
            self._next_id(),
            flow="replay",
            source=basket.market.source,
            basket=basket.name,
            started_at=self._now,
        )
        return Landing(header, [shard], facts={"replayed": [row.reject_id for row in rows]})


def moment_of(page: Page) -> datetime:
    """Return the moment of a page, as its rejects show it."""
    return min(page.at, (page.landed_at or page.at) + timedelta(minutes=5))


def _group_of(rejected: tuple[Basket, Request, Unreadable]) -> tuple[object, ...]:
    basket, request, _ = rejected
    return basket.market.source, basket.name, request.currency, request.deliveries

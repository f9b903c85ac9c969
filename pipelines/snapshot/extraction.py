"""Fetching one basket into its landing: one walk a shard, every page on disk before anything else happens."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from common.clock import Clock
from common.concurrency import gather_fail_fast
from common.errors import AuthRejected, PlanForbids, QuotaExhausted, SourceError
from connectors.base import Connector
from connectors.pages import PageBuilder, TypedPage
from connectors.pagination import PageInfo
from connectors.shards import BIDS, Shard
from pipelines.catalogs import CatalogCache
from pipelines.loading import parse_raw_rows
from pipelines.planning.baskets import PlannedBasket
from pipelines.results import RunResult, run_state
from pipelines.snapshot.page_writers import LandedPage, PageWriters
from pipelines.snapshot.progress import Progress
from warehouse.landing.model import RunHeader, ShardHeader
from warehouse.landing.resume import find_interrupted_run, reusable_pages
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.queries import previously_listed_providers

SHARDS_AT_ONCE: Final = 4  # requests are bounded by the client; this bounds open files and memory
FATAL_SOURCE_ERRORS: Final = (AuthRejected, QuotaExhausted, PlanForbids)
# A provider whose quotes are gone and whose health is none of these is dark, not sold out.
HEALTHY_STATUSES: Final = frozenset({"ok", "up", "healthy", "online", "operational", "active", "degraded"})
ShardTask = Callable[[], Awaitable[None]]
WrapTask = Callable[[str, ShardTask], ShardTask]


def new_run_id(now: datetime) -> str:
    """A name for a run that sorts by its start."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


class BasketExtractor:
    """One basket's way from its plan to its landing.

    `sent_before` is what the connector had sent before anything that this basket is to be charged with.
    """

    def __init__(  # noqa: PLR0913 - what a fetch stands on
        self,
        home: WarehousePaths,
        prepared: PlannedBasket,
        connector: Connector,
        catalogs: CatalogCache,
        *,
        presses: PageWriters,
        clock: Clock,
        progress: Progress,
        sent_before: int,
    ) -> None:
        self._home = home
        self._basket = prepared.basket
        self._plan = prepared.plan
        self._connector = connector
        self._catalogs = catalogs
        self._presses = presses
        self._clock = clock
        self._progress = progress
        self._sent_before = sent_before
        self._turns = asyncio.Semaphore(SHARDS_AT_ONCE)
        self._brought: dict[tuple[str, tuple[str, ...]], set[str]] = {}
        self._reasons: list[str] = []
        self._unknown: Counter[str] = Counter()
        self._pages = 0

    async def run(self, flow: str, wrap: WrapTask) -> RunResult:
        """Fetch every shard, `wrap`ped as the caller likes; the landing is left finished."""
        started = self._clock.now()
        basket = self._basket
        header = RunHeader(
            new_run_id(started), flow, basket.source, basket.name, started, int(basket.every.total_seconds())
        )
        self._left = find_interrupted_run(self._home.landing, basket.source, basket.name)
        with LandingWriter(self._home.landing, header) as landing:
            self._presses.warm_up(self._plan)
            self._progress.planned(basket.name, self._plan.shards)
            try:
                error = await self._fetch(landing, wrap)
                down = () if error else await self._providers_down()
            except Exception:
                raise
            except BaseException:  # cancelled, or the exception that Prefect makes of SIGTERM
                self._finish(landing, "cancelled", None, ())
                raise
            finally:
                self._progress.finished(basket.name)
            state = run_state(error, complete=not self._reasons)
            return self._finish(landing, state, error, down)

    async def _fetch(self, landing: LandingWriter, wrap: WrapTask) -> SourceError | None:
        """Fetch every shard; what stopped the source, if anything did. Raises WarehouseError."""
        try:
            await self._rates()
            await gather_fail_fast(
                *(self._extract_bounded(landing, shard, wrap) for shard in self._plan.shards)
            )
        except FATAL_SOURCE_ERRORS as error:
            return error
        return None

    async def _rates(self) -> None:
        """Have the one table of exchange rates of this run, where the plan converts by it."""
        if not self._plan.fx_table or "fx" in self._catalogs.fetched:
            return
        try:
            await self._catalogs.fx(lifetime=timedelta(0))
        except FATAL_SOURCE_ERRORS:
            raise
        except SourceError as error:
            self._reasons.append(f"exchange rates: {error}")

    async def _extract_bounded(self, landing: LandingWriter, shard: Shard, wrap: WrapTask) -> None:
        async def fetch() -> None:
            await self._fetch_shard(landing, shard)

        async with self._turns:
            await wrap(shard_label(shard), fetch)()

    async def _fetch_shard(self, landing: LandingWriter, shard: Shard) -> None:
        """Walk one shard into the landing. Only what stops the whole source, or the disk, is raised."""
        header = ShardHeader(
            shard.number,
            shard.currency,
            shard.deliveries,
            shard.providers,
            shard.items,
            listing=shard.route == "listing",
        )
        writer, press = landing.open_shard(header), self._presses.for_shard(shard)

        async def land(make: PageBuilder) -> PageInfo:
            page = await press.land(writer, make, self._clock.now())
            self._record_page(shard, page)
            return page.sheet

        reason: str | None = "interrupted"
        try:
            await self._connector.extract(shard, land, self._reusable_pages(header))
            reason = None
        except FATAL_SOURCE_ERRORS as error:
            reason = str(error)
            raise
        except SourceError as error:
            reason = f"{shard_label(shard)}: {error}"
            self._reasons.append(reason)
        finally:
            await press.finish(writer, complete=reason is None, reason=reason)

    def _record_page(self, shard: Shard, page: LandedPage) -> None:
        self._pages += 1
        self._brought.setdefault((shard.currency, shard.deliveries), set()).update(page.providers)
        self._unknown.update(page.unknown_fields)
        self._progress.landed(self._basket.name, shard, page)

    def _reusable_pages(self, header: ShardHeader) -> list[TypedPage]:
        """Pages that an interrupted run landed for the same question a moment ago: not paid for twice."""
        if self._left is None:
            return []
        found = reusable_pages(self._left, header, self._clock.now(), self._basket.fresh, parse_raw_rows)
        return [
            TypedPage(m.request, m.offset, m.total, m.observed_at, rows, (), {}, m.fingerprint)
            for m, rows in found
        ]

    async def _providers_down(self) -> tuple[str, ...]:
        """Which providers that brought nothing, though they listed something before, the API calls down."""
        asked = {key for shard in self._plan.shards for key in shard.providers}
        silent: set[str] = set()
        for (currency, deliveries), brought in self._brought.items():
            if asked <= brought:
                continue
            scope = (self._basket.source, currency, deliveries, self._item_ids(currency))
            silent |= previously_listed_providers(self._home, *scope, sorted(brought)) & asked
        if not silent:
            return ()
        try:
            now = await self._catalogs.providers(lifetime=timedelta(0))
        except SourceError as error:
            self._reasons.append(f"the health of {', '.join(sorted(silent))} is unknown: {error}")
            return tuple(sorted(silent))
        health = dict(now.select("provider", "health").iter_rows())
        return tuple(
            sorted(key for key in silent if str(health.get(key) or "ok").lower() not in HEALTHY_STATUSES)
        )

    def _item_ids(self, currency: str) -> list[str] | None:
        shards = [shard for shard in self._plan.shards if shard.currency == currency]
        if any(shard.items is None for shard in shards):
            return None
        return [item.item_id for shard in shards for item in shard.items or () if item.item_id is not None]

    def _finish(
        self, landing: LandingWriter, state: str, error: SourceError | None, down: tuple[str, ...]
    ) -> RunResult:
        for name in ("items", "providers", "fx"):
            if name in self._catalogs.fetched:
                landing.add_catalog(name, self._catalogs.fetched.pop(name))
        reason = str(error) if error else "; ".join(self._reasons) or None
        result = RunResult(
            run_id=landing.header.run_id,
            basket=self._basket.name,
            source=self._basket.source,
            state=state,
            requests=self._connector.requests - self._sent_before,
            pages=self._pages,
            error=error,
            incomplete_reason=reason,
            quota_remaining=self._connector.quota_remaining,
            unknown_fields=dict(self._unknown),
            notes=self._plan.notes,
            request_id=self._connector.request_id,
        )
        landing.finish(
            state,
            finished_at=self._clock.now(),
            requests=result.requests,
            quota_remaining=result.quota_remaining,
            incomplete_reason=reason,
            unknown_fields=result.unknown_fields,
            down=down,
            request_id=result.request_id or None,
        )
        return result


def shard_label(shard: Shard) -> str:
    """What a shard is called where people read it."""
    parts = [
        shard.providers[0] if shard.route == "catalog" else "",
        "" if shard.route in {"item", "catalog"} else shard.route,
        "" if shard.items is None else f"{len(shard.items)} items",
        "bids" if shard.deliveries == BIDS else "",
    ]
    return f"{' '.join(filter(None, parts))} {shard.currency} #{shard.number}"

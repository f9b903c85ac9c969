"""The extraction of one basket: fetch its shards concurrently and land every page as it arrives."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from common.clock import Clock
from common.concurrency import gather_fail_fast, run_to_completion
from common.errors import FloorlineError, SourceError, Unforeseen
from common.field_counts import FieldCounts
from common.text import escape, sanitize
from connectors.listings import ListingWalk, listings_frame, walks_frame
from connectors.pages import PageBuilder, TypedPage
from connectors.pagination import PageInfo
from connectors.shard_deadline import ShardDeadline, longest_time
from connectors.shards import BID_DELIVERIES, Shard
from pipelines.catalogs import CURRENT, LIFETIME
from pipelines.config import BasketSettings
from pipelines.exit_codes import run_state
from pipelines.loading import parse_raw_rows, read_published
from pipelines.planning.baskets import PlannedBasket
from pipelines.results import FATAL_SOURCE_ERRORS, RunResult
from pipelines.snapshot.listing_walks import ListingWalker
from pipelines.snapshot.page_writers import LandedPage, PageWriters
from pipelines.snapshot.progress import Progress
from pipelines.source_session import SourceSession
from warehouse.landing.model import RunHeader, ShardHeader
from warehouse.landing.resume import find_interrupted_run, reusable_pages
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.queries.runner import previously_listed_providers

MAX_CONCURRENT_SHARDS: Final = 4  # bounds open files and memory; the client bounds the requests
# A provider that lists nothing any more and has none of these statuses is down, not sold out.
HEALTHY_STATUSES: Final = frozenset({"ok", "up", "healthy", "online", "operational", "active", "degraded"})


def new_run_id(now: datetime) -> str:
    """Return a unique run id; ids sort by the start of their run."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def new_run_header(basket: BasketSettings, now: datetime) -> RunHeader:
    """Return the header of a new snapshot of a basket that starts at `now`."""
    return RunHeader(
        run_id=new_run_id(now),
        flow="snapshot",
        source=basket.source,
        basket=basket.name,
        started_at=now,
        interval_seconds=int(basket.every.total_seconds()),
    )


class BasketExtractor:
    """Extracts one basket into its landing.

    `sent_before` is how many requests the session had sent before the first one that counts for this basket.
    """

    def __init__(
        self,
        paths: WarehousePaths,
        planned: PlannedBasket,
        session: SourceSession,
        *,
        page_writers: PageWriters,
        clock: Clock,
        progress: Progress,
        sent_before: int,
    ) -> None:
        self._paths = paths
        self._basket = planned.basket
        self._plan = planned.plan
        self._listings_cap = planned.request.listings_cap
        self._session = session
        self._page_writers = page_writers
        self._clock = clock
        self._progress = progress
        self._sent_before = sent_before
        self._shard_slots = asyncio.Semaphore(MAX_CONCURRENT_SHARDS)
        # Before this run has a landing, which would be the newest one.
        self._interrupted_run = find_interrupted_run(paths.landing, self._basket.source, self._basket.name)
        self._providers_seen: dict[tuple[str, tuple[str, ...]], set[str]] = {}
        self._failures = list(planned.request.unreadable)
        self._unknown_fields = FieldCounts()
        self._pages = 0

    async def run(self) -> RunResult:
        """Fetch every shard and finish the landing. Raises WarehouseError."""
        name, header = self._basket.name, new_run_header(self._basket, self._clock.now())
        with LandingWriter(self._paths.landing, header) as landing:
            self._page_writers.warm_up(self._plan)
            self._progress.planned(name, self._plan.shards)
            try:
                error = await self._fetch(landing)
                down = () if error else await self._find_down_providers()
            except Exception:
                raise
            except BaseException:  # cancelled, or the exception that Prefect raises for SIGTERM
                self._finish(landing, "cancelled")
                raise
            finally:
                self._progress.finished(name)
            state = run_state(error, complete=not self._failures)
            return self._finish(landing, state, error=error, down=down)

    async def _fetch(self, landing: LandingWriter) -> SourceError | None:
        """Fetch every shard; return the error that stopped the source, if any."""
        try:
            await self._refresh_rates()
            if (every := self._session.market_stats_every) is not None:
                fetch = self._session.connector.market_stats
                await self._session.catalogs.refresh("market_stats", fetch, every)
            connector = self._session.connector
            if basis := connector.price_basis:
                await self._session.catalogs.refresh("fees", connector.fees, LIFETIME, basis=basis)
            await gather_fail_fast(*(self._fetch_bounded(landing, shard) for shard in self._plan.shards))
            await self._walk_listings(landing)
        except FATAL_SOURCE_ERRORS as error:
            return error
        return None

    async def _walk_listings(self, landing: LandingWriter) -> None:
        """Walk through the offers of the plan's items; each walk is on disk before the next one begins."""

        async def land() -> None:
            await run_to_completion(asyncio.to_thread(_land_walks, landing, walker.walks))

        walker = ListingWalker(self._plan.walked_items, self._listings_cap, land=land)
        try:
            await walker.run(self._session.connector)
        finally:
            self._failures += walker.failures
            if walker.walks:
                self._session.catalogs.reports["listings"] = walker.report

    async def _refresh_rates(self) -> None:
        """Fetch the exchange rates, once a run, if the plan converts with them."""
        catalogs = self._session.catalogs
        if not self._plan.fx_table or "fx" in catalogs.fetched:
            return
        try:
            await catalogs.fx(lifetime=CURRENT)
        except FATAL_SOURCE_ERRORS:
            raise
        except SourceError as error:
            self._failures.append(f"exchange rates: {error}")

    async def _fetch_bounded(self, landing: LandingWriter, shard: Shard) -> None:
        async with self._shard_slots:
            await self._fetch_shard(landing, shard)

    async def _fetch_shard(self, landing: LandingWriter, shard: Shard) -> None:
        """Extract one shard into the landing.

        Raises only FATAL_SOURCE_ERRORS, WarehouseError, and OSError of the disk.
        """
        header = ShardHeader(
            number=shard.number,
            currency=shard.currency,
            deliveries=shard.deliveries,
            providers=shard.providers,
            items=shard.items,
            listing=shard.route == "listing",
        )
        writer, page_writer = landing.open_shard(header), self._page_writers.for_shard(shard)

        per_minute = self._session.connector.rate_limiter.per_minute
        longest = longest_time(shard.least_requests, per_minute)
        deadline = ShardDeadline(self._clock, longest, shard.source)

        async def land(build_page: PageBuilder) -> PageInfo:
            page = await page_writer.land(writer, build_page, self._clock.now())
            self._record_page(shard, page)
            deadline.check()
            return page.info

        failure: str | None = "interrupted"  # by a cancellation or a failed write
        try:
            await self._session.connector.extract(shard, land, self._reusable_pages(header))
            failure = None
        except FATAL_SOURCE_ERRORS as error:
            failure = str(error)
            raise
        except SourceError as error:
            failure = f"{shard_label(shard)}: {error}"
            self._failures.append(failure)
        except (FloorlineError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - an answer that nobody foresaw costs its shard only
            failure = f"{shard_label(shard)}: {Unforeseen.of(error, shard.source)}"
            self._failures.append(failure)
        finally:
            self._progress.ended(self._basket.name, shard, failure)
            await page_writer.finish(writer, complete=failure is None, reason=failure)

    def _record_page(self, shard: Shard, page: LandedPage) -> None:
        self._pages += 1
        self._providers_seen.setdefault((shard.currency, shard.deliveries), set()).update(page.providers)
        self._unknown_fields.add(page.unknown_fields)
        self._progress.landed(self._basket.name, shard, page)

    def _reusable_pages(self, header: ShardHeader) -> list[TypedPage]:
        """Return the fresh pages that an interrupted run landed for the same shard: no request is needed."""
        if self._interrupted_run is None:
            return []
        pages = reusable_pages(
            self._interrupted_run,
            header,
            now=self._clock.now(),
            lifetime=self._basket.fresh,
            row_parser=parse_raw_rows,
        )
        return [
            TypedPage(
                request=meta.request,
                offset=meta.offset,
                total=meta.total,
                observed_at=meta.moment,
                rows=rows,
                rejects=(),
                unknown_fields={},
                fingerprint=meta.fingerprint,
            )
            for meta, rows in pages
        ]

    async def _find_down_providers(self) -> tuple[str, ...]:
        """Return the providers that the API calls down and that list no quotes now, but did before."""
        requested = {key for shard in self._plan.shards for key in shard.providers}
        silent: set[str] = set()
        for (currency, deliveries), seen in self._providers_seen.items():
            if not requested <= seen:
                query = partial(
                    previously_listed_providers,
                    self._paths,
                    self._basket.source,
                    currency,
                    deliveries=deliveries,
                    item_ids=self._item_ids(currency),
                    excluded=sorted(seen),
                )
                silent |= requested & read_published(self._paths, self._clock, query)
        if not silent:
            return ()
        try:
            providers = await self._session.catalogs.providers(lifetime=CURRENT)
        except SourceError as error:
            names = ", ".join(map(escape, sorted(silent)))
            self._failures.append(f"the health of {names} is unknown: {error}")
            return tuple(sorted(silent))
        health = dict(providers.select("provider", "health").iter_rows())
        # Of a provider that the current list lacks, it is the health of another day.
        missing = self._session.catalogs.reports["providers"].missing
        down = {key for key in silent if str(health.get(key) or "ok").lower() not in HEALTHY_STATUSES}
        return tuple(sorted(down | silent.intersection(missing)))

    def _item_ids(self, currency: str) -> list[str] | None:
        """Return the ids of the requested items; None if a whole catalog was requested."""
        shards = [shard for shard in self._plan.shards if shard.currency == currency]
        if any(shard.items is None for shard in shards):
            return None
        return [item.item_id for shard in shards for item in shard.items or () if item.item_id is not None]

    def _finish(
        self,
        landing: LandingWriter,
        state: str,
        *,
        error: SourceError | None = None,
        down: tuple[str, ...] = (),
    ) -> RunResult:
        connector, fetched = self._session.connector, self._session.catalogs.fetched
        # Taken out: of the baskets of a source, only the first one lands the catalogs.
        for name in ("items", "providers", "fx", "market_stats", "fees"):
            if name in fetched:
                landing.add_catalog(name, fetched.pop(name))
        result = RunResult(
            run_id=landing.header.run_id,
            basket=self._basket.name,
            source=self._basket.source,
            state=state,
            requests=connector.requests - self._sent_before,
            pages=self._pages,
            error=error,
            incomplete_reason=str(error) if error else "; ".join(self._failures) or None,
            quota_remaining=connector.quota_remaining,
            unknown_fields=dict(self._unknown_fields),
            notes=self._plan.notes,
            key_tail=self._session.key_tail,
            request_id=connector.request_id,
            clock_skew=self._session.clock_skew,
            catalogs=self._session.take_catalog_reports(),
        )
        landing.finish(
            state,
            finished_at=self._clock.now(),
            requests=result.requests,
            quota_remaining=result.quota_remaining,
            incomplete_reason=result.incomplete_reason,
            unknown_fields=result.unknown_fields,
            down=down,
            request_id=result.request_id or None,
        )
        return result


def shard_label(shard: Shard) -> str:
    """Return the name of a shard for people: its provider or route, items, side, currency and number."""
    parts = [
        sanitize(escape(shard.providers[0])) if shard.route == "catalog" else "",
        "" if shard.route in {"item", "catalog"} else shard.route,
        "" if shard.items is None else f"{len(shard.items)} items",
        "bids" if shard.deliveries == BID_DELIVERIES else "",
    ]
    return f"{' '.join(filter(None, parts))} {shard.currency} #{shard.number}"


def _land_walks(landing: LandingWriter, walks: Sequence[ListingWalk]) -> None:
    """Write all walks of a run so far. Raises WarehouseFull."""
    landing.add_catalog("listings", listings_frame(walks))
    landing.add_catalog("listing_walks", walks_frame(walks))

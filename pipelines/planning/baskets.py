"""Plan the baskets of one source: resolve their names, and find the shards with the fewest requests."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl
from msgspec import Struct

from common.errors import ConfigError, SourceError, UnexpectedResponse
from common.shards import Item
from connectors.tiers import TierLimits
from pipelines.catalogs import REFRESH_IF_OLDER, CatalogCache
from pipelines.config import AnySource, BasketSettings, Settings, SkinsharkSettings
from pipelines.item_files import comments_of, expand_items
from pipelines.planning.model import CatalogSizes, SnapshotPlan, SnapshotRequest
from pipelines.planning.readable_names import ReadableNames
from pipelines.planning.schedule import frequency_of
from pipelines.planning.selectors import (
    UnknownNames,
    resolve_currencies,
    resolve_items,
    resolve_providers,
    warn_of_comments,
)
from pipelines.planning.snapshot_planner import depends_on_sizes, plan_snapshot
from warehouse.queries.runner import catalog_row_counts


class PlannedBasket(Struct, frozen=True):
    """A basket with its resolved request and its plan.

    `error` says why nothing can be requested: no catalog entry that the basket names can be read.
    """

    basket: BasketSettings
    plan: SnapshotPlan
    request: SnapshotRequest
    error: SourceError | None = None


class BasketPlanner:
    """Plans the baskets of one source, which share its stream starts in the order of the configuration.

    `exhausted` names the sides, asks ("standard") and bids ("bid"), whose stream starts of the last 24 hours
    are used up.
    """

    def __init__(
        self,
        settings: Settings,
        catalogs: CatalogCache,
        limits: TierLimits,
        now: datetime,
        *,
        exhausted: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._catalogs = catalogs
        self._limits = limits
        self._now = now
        self._starts_left = Counter(dict.fromkeys(("standard", "bid"), limits.streams_a_day))
        self._exhausted = exhausted

    async def plan_all(self, selection: Sequence[BasketSettings]) -> list[PlannedBasket]:
        """Plan these baskets, all of one source, in their order.

        Raises ConfigError for an item, provider or currency that does not exist, PlanForbids for a basket
        that the tier does not include, and what the connector raises.
        """
        await self._catalogs.items()  # for the load, also where no basket of the source needs the catalog
        planned = {}
        for basket in self._baskets_up_to_last(selection):
            if basket in selection:
                planned[basket.name] = await self.plan_next(basket)
            else:  # planned only for the stream starts that it takes; its own run reports its errors
                with contextlib.suppress(SourceError):
                    await self.plan_next(basket, refresh=False)
        return [planned[basket.name] for basket in selection]

    async def plan_next(self, basket: BasketSettings, *, refresh: bool = True) -> PlannedBasket:
        """Plan the next basket with the stream starts that the baskets before it leave.

        `refresh`: fetch the catalog again if it does not know a name. Raises as `plan_all`.
        """
        try:
            request = await self._resolve(basket, refresh=refresh)
            if request.is_empty:
                error = UnexpectedResponse("; ".join(request.unreadable), self._catalogs.source)
                return PlannedBasket(basket, SnapshotPlan((), request.unreadable), request, error)
            needs_sizes = depends_on_sizes(request, self._limits)
            sizes = await self.catalog_sizes() if needs_sizes else CatalogSizes()
            plan = plan_snapshot(request, self._limits, sizes, stream_starts=self.stream_starts_left)
        except ConfigError as error:
            owner = f"basket {basket.name}: "  # of an item file, the error names it already
            raise ConfigError(owner + error.detail.removeprefix(owner)) from None
        plan = dataclasses.replace(plan, notes=(*plan.notes, *request.unreadable))
        self._starts_left.subtract(plan.stream_starts)
        return PlannedBasket(basket, plan, request)

    async def catalog_sizes(self) -> CatalogSizes:
        """Return the sizes of the source's catalogs, as far as the warehouse knows them.

        A source that lists everything at once has one size, which no plan depends on.
        """
        seen = catalog_row_counts(self._settings.paths, self._catalogs.source)
        return CatalogSizes(seen, 0 if self._limits.listing else (await self._catalogs.items()).height)

    @property
    def stream_starts_left(self) -> Mapping[str, int]:
        """The stream starts in 24 hours that are left for the next basket, by delivery."""
        return {side: 0 if side in self._exhausted else left for side, left in self._starts_left.items()}

    def _baskets_up_to_last(self, selection: Sequence[BasketSettings]) -> list[BasketSettings]:
        """Return the source's baskets up to the last selected one; without streams, the selection."""
        if not self._limits.streams_a_day:
            return list(selection)
        baskets = [basket for basket in self._settings.baskets if basket.source == self._catalogs.source]
        return baskets[: max(baskets.index(basket) for basket in selection) + 1]

    async def _resolve(self, basket: BasketSettings, *, refresh: bool) -> SnapshotRequest:
        names = ReadableNames(self._catalogs)
        providers = await names.select("providers", basket.providers, resolve_providers)
        currencies = await self._resolve_currencies(basket, names)
        items = await self._resolve_items(basket, names, refresh=refresh)
        every_provider = tuple(basket.providers) == ("all",)
        marketplaces = await self._catalogs.providers()
        return SnapshotRequest(
            source=basket.source,
            providers=providers,
            currencies=currencies,
            asks=_takes_asks(self._settings.sources[basket.source]),
            items=items,
            listings_cap=basket.listings_cap if basket.listings else 0,
            bidders=_bidders(providers, marketplaces) if basket.bids and providers else (),
            every_provider=every_provider,
            every_bidder=every_provider,
            phased=frozenset() if self._limits.listing else _phased_names(await self._catalogs.items()),
            fx=basket.fx,
            route=basket.route,
            live=basket.live,
            runs_a_day=frequency_of(basket, self._now).a_day_at_most if self._limits.streams_a_day else 1,
            unreadable=tuple(names.unreadable),
        )

    async def _resolve_currencies(self, basket: BasketSettings, names: ReadableNames) -> tuple[str, ...]:
        """Return the currencies; a basket in USD needs no table of them."""
        if {code.upper() for code in basket.currencies} == {"USD"}:
            return resolve_currencies(basket.currencies, None)
        return await names.select("fx", basket.currencies, resolve_currencies)

    async def _resolve_items(
        self, basket: BasketSettings, names: ReadableNames, *, refresh: bool
    ) -> tuple[Item, ...] | None:
        base, owner = self._settings.base, f"basket {basket.name}"
        selectors = expand_items(basket, base)
        if selectors == ("all",):
            return None
        catalog = await self._catalogs.items()
        warn_of_comments(comments_of(basket.items, base, owner), catalog, owner)
        try:
            return resolve_items(selectors, catalog)
        except UnknownNames:
            age = self._catalogs.age("items")
            if refresh and age is not None and age >= REFRESH_IF_OLDER:
                await self._catalogs.items(REFRESH_IF_OLDER)
            return await names.select("items", selectors, resolve_items)


def _takes_asks(source: AnySource) -> bool:
    """Return whether a source has asks: those of SkinShark are the merchant's own, and no sub-user's."""
    return not isinstance(source, SkinsharkSettings) or source.on_behalf_of is None


def _bidders(providers: tuple[str, ...], marketplaces: pl.DataFrame) -> tuple[str, ...]:
    with_buy_orders = set(marketplaces.filter(pl.col("has_buy_orders"))["provider"])
    bidders = tuple(provider for provider in providers if provider in with_buy_orders)
    if not bidders:
        raise ConfigError("bids = true, but none of its providers takes buy orders")
    return bidders


def _phased_names(catalog: pl.DataFrame) -> frozenset[str]:
    return frozenset(catalog.filter(pl.col("phase").is_not_null())["market_hash_name"].unique())

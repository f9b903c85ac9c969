"""Plan the baskets of one source: resolve their names, and find the shards with the fewest requests."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from common.errors import ConfigError, SourceError
from common.shards import Item
from connectors.tiers import TierLimits
from pipelines.catalogs import REFRESH_IF_OLDER, CatalogCache
from pipelines.config import BasketSettings, Settings
from pipelines.item_files import comments_of, expand_items
from pipelines.planning.model import CatalogSizes, SnapshotPlan, SnapshotRequest
from pipelines.planning.schedule import frequency_of
from pipelines.planning.selectors import (
    resolve_currencies,
    resolve_items,
    resolve_providers,
    warn_of_comments,
)
from pipelines.planning.snapshot_planner import plan_snapshot
from warehouse.paths import WarehousePaths
from warehouse.queries import catalog_row_counts


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedBasket:
    """A basket with its resolved request and its plan."""

    basket: BasketSettings
    plan: SnapshotPlan
    request: SnapshotRequest


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
            sizes = await self.catalog_sizes()
            plan = plan_snapshot(request, self._limits, sizes, stream_starts=self.stream_starts_left)
        except ConfigError as error:
            raise ConfigError(f"basket {basket.name}: {error.detail}") from None
        self._starts_left.subtract(plan.stream_starts)
        return PlannedBasket(basket, plan, request)

    async def catalog_sizes(self) -> CatalogSizes:
        """Return the sizes of the source's catalogs, as far as the warehouse knows them.

        A source that lists everything at once has one size, which no plan depends on.
        """
        seen = catalog_row_counts(WarehousePaths(self._settings.root), self._catalogs.source)
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
        marketplaces = await self._catalogs.providers()
        providers = resolve_providers(basket.providers, marketplaces)
        every_provider = tuple(basket.providers) == ("all",)
        return SnapshotRequest(
            source=basket.source,
            providers=providers,
            currencies=resolve_currencies(basket.currencies, await self._currency_table(basket)),
            items=await self._resolve_items(basket, refresh=refresh),
            bidders=_bidders(providers, marketplaces) if basket.bids else (),
            every_provider=every_provider,
            every_bidder=every_provider,
            phased=frozenset() if self._limits.listing else _phased_names(await self._catalogs.items()),
            fx=basket.fx,
            route=basket.route,
            runs_a_day=frequency_of(basket, self._now).a_day_at_most if self._limits.streams_a_day else 1,
        )

    async def _currency_table(self, basket: BasketSettings) -> pl.DataFrame | None:
        """Return the table of currencies; None for a basket in USD, which needs no table."""
        only_usd = {code.upper() for code in basket.currencies} == {"USD"}
        return None if only_usd else await self._catalogs.fx()

    async def _resolve_items(self, basket: BasketSettings, *, refresh: bool) -> tuple[Item, ...] | None:
        base, owner = self._settings.base, f"basket {basket.name}"
        selectors = expand_items(basket, base)
        if selectors == ("all",):
            return None
        catalog = await self._catalogs.items()
        warn_of_comments(comments_of(basket.items, base, owner), catalog, owner)
        try:
            return resolve_items(selectors, catalog)
        except ConfigError:
            age = self._catalogs.age("items")
            if not refresh or age is None or age < REFRESH_IF_OLDER:
                raise
            return resolve_items(selectors, await self._catalogs.items(REFRESH_IF_OLDER))


def _bidders(providers: tuple[str, ...], marketplaces: pl.DataFrame) -> tuple[str, ...]:
    with_buy_orders = set(marketplaces.filter(pl.col("has_buy_orders"))["provider"])
    bidders = tuple(provider for provider in providers if provider in with_buy_orders)
    if not bidders:
        raise ConfigError("bids = true, but none of its providers takes buy orders")
    return bidders


def _phased_names(catalog: pl.DataFrame) -> frozenset[str]:
    return frozenset(catalog.filter(pl.col("phase").is_not_null())["market_hash_name"].unique())

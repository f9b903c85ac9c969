"""From a configured basket to the shards that fetch it; wrong names end here, before a price is asked for."""

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
from pipelines.config import BasketSettings, Settings, expand_items
from pipelines.planning.model import CatalogSizes, SnapshotPlan, SnapshotRequest
from pipelines.planning.schedule import frequency_of
from pipelines.planning.selectors import resolve_currencies, resolve_items, resolve_providers
from pipelines.planning.snapshot_planner import plan_snapshot
from warehouse.paths import WarehousePaths
from warehouse.queries import catalog_row_counts


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedBasket:
    """A basket with what it wants and its plan."""

    basket: BasketSettings
    plan: SnapshotPlan
    want: SnapshotRequest


class BasketPlanner:
    """Plans the baskets of one source; they share its stream starts in the order of the configuration.

    `exhausted` names the sides, asks ("standard") and bids ("bid"), whose stream starts of the last 24 hours
    are used up.
    """

    def __init__(
        self,
        settings: Settings,
        catalogs: CatalogCache,
        terms: TierLimits,
        now: datetime,
        *,
        exhausted: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._catalogs = catalogs
        self.terms = terms
        self._now = now
        self._starts = Counter(dict.fromkeys(("standard", "bid"), terms.streams_a_day))
        self._exhausted = exhausted

    async def plan_all(self, chosen: Sequence[BasketSettings]) -> list[PlannedBasket]:
        """Plan these baskets, all of one source.

        Raises ConfigError for an item, provider or currency that does not exist, PlanForbids for what the
        tier does not include, and what the connector raises.
        """
        prepared = [
            found
            for basket in self._up_to_last(chosen)
            if (found := await self._plan_and_count(basket, chosen))
        ]
        return sorted(prepared, key=lambda ready: chosen.index(ready.basket))

    async def plan_next(self, basket: BasketSettings, *, doubt: bool = True) -> PlannedBasket:
        """Plan the next basket, which gets the stream starts that those before it have left.

        `doubt`: for a name that the catalog does not know, ask for the catalog anew. Raises as `baskets`.
        """
        try:
            want = await self._want(basket, doubt=doubt)
            made = plan_snapshot(want, self.terms, await self.catalog_sizes(), self.stream_starts_left)
        except ConfigError as error:
            raise ConfigError(f"basket {basket.name}: {error.detail}") from None
        self._starts.subtract(made.starts)
        return PlannedBasket(basket, made, want)

    async def catalog_sizes(self) -> CatalogSizes:
        """How large the source's catalogs are, as far as the warehouse has seen them."""
        seen = catalog_row_counts(WarehousePaths(self._settings.root), self._catalogs.source)
        return CatalogSizes(seen, (await self._catalogs.items()).height)

    def _up_to_last(self, chosen: Sequence[BasketSettings]) -> list[BasketSettings]:
        """The source's baskets up to the last of the chosen ones; only these where streams are not shared."""
        if not self.terms.streams_a_day:
            return list(chosen)
        every = [basket for basket in self._settings.baskets if basket.source == self._catalogs.source]
        return every[: max(every.index(basket) for basket in chosen) + 1]

    async def _plan_and_count(
        self, basket: BasketSettings, chosen: Sequence[BasketSettings]
    ) -> PlannedBasket | None:
        """Plan one and note the starts that it takes; None for one that only its starts matter of."""
        if basket in chosen:
            return await self.plan_next(basket)
        with contextlib.suppress(SourceError):  # its own run will tell
            await self.plan_next(basket, doubt=False)
        return None

    @property
    def stream_starts_left(self) -> Mapping[str, int]:
        """The stream starts in 24 hours that are left for the next basket, by delivery."""
        return {side: 0 if side in self._exhausted else left for side, left in self._starts.items()}

    async def _want(self, basket: BasketSettings, *, doubt: bool) -> SnapshotRequest:
        marketplaces = await self._catalogs.providers()
        providers = resolve_providers(basket.providers, marketplaces)
        everywhere = tuple(basket.providers) == ("all",)
        return SnapshotRequest(
            source=basket.source,
            providers=providers,
            currencies=resolve_currencies(basket.currencies, await self._fx_table(basket)),
            items=await self._items(basket, doubt=doubt),
            bidders=_bidders(providers, marketplaces) if basket.bids else (),
            every_provider=everywhere,
            every_bidder=everywhere,
            phased=_phased(await self._catalogs.items()),
            fx=basket.fx,
            route=basket.route,
            runs_a_day=frequency_of(basket, self._now).a_day_at_most if self.terms.streams_a_day else 1,
        )

    async def _fx_table(self, basket: BasketSettings) -> pl.DataFrame | None:
        """The table of currencies, which USD alone does not need."""
        only_usd = {code.upper() for code in basket.currencies} == {"USD"}
        return None if only_usd else await self._catalogs.fx()

    async def _items(self, basket: BasketSettings, *, doubt: bool) -> tuple[Item, ...] | None:
        wanted = expand_items(basket, self._settings.base)
        if wanted == ("all",):
            return None
        try:
            return resolve_items(wanted, await self._catalogs.items())
        except ConfigError:
            age = self._catalogs.age("items")
            if not doubt or age is None or age < REFRESH_IF_OLDER:
                raise
            return resolve_items(wanted, await self._catalogs.items(REFRESH_IF_OLDER))


def _bidders(providers: tuple[str, ...], marketplaces: pl.DataFrame) -> tuple[str, ...]:
    taking = set(marketplaces.filter(pl.col("has_buy_orders"))["provider"])
    bidders = tuple(provider for provider in providers if provider in taking)
    if not bidders:
        raise ConfigError("bids = true, but none of its providers takes buy orders")
    return bidders


def _phased(catalog: pl.DataFrame) -> frozenset[str]:
    return frozenset(catalog.filter(pl.col("phase").is_not_null())["market_hash_name"].unique())

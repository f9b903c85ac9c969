"""Check what one table of the configuration says of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from connectors.ratelimit.feed_slot_table import MAX_CONNECTIONS
from connectors.tiers import AUTO
from pipelines.config.problems import Problem, suggest
from pipelines.config.settings import Settings
from pipelines.config.sources import AnySource, Cs2capSettings, SkinsharkSettings
from pipelines.config.tables import BasketSettings


def check_references(settings: Settings) -> Iterator[Problem]:
    """Yield what is wrong between the tables: baskets and watches of the same name, and what they name.

    A basket names its source, whose currencies it takes; the baskets of one deployment have one schedule. A
    watch of an item takes a currency of a basket.
    """
    yield from _check_baskets(settings)
    yield from _check_feeds(settings)
    yield from _check_watches(settings)


def _check_baskets(settings: Settings) -> Iterator[Problem]:
    names = [basket.name for basket in settings.baskets]
    for place, basket in enumerate(settings.baskets):
        if basket.name in names[:place]:
            yield Problem(("baskets", place, "name"), "is the name of another basket, too: choose another")
        if basket.source not in settings.sources:
            yield Problem(("baskets", place, "source"), _describe_unknown(basket.source, settings))
        elif _lacks_currency(basket, settings.sources[basket.source]):
            phrase = 'must be ["USD"]: SkinShark has prices in US dollars only'
            yield Problem(("baskets", place, "currencies"), phrase)
        elif basket.listings and (phrase := _explain_no_listings(basket, settings.sources[basket.source])):
            yield Problem(("baskets", place, "listings"), phrase)
        elif _reads_nothing(basket, settings.sources[basket.source]):
            phrase = (
                "is read on behalf of a sub-user, and /market/prices takes the merchant itself: set"
                " bids = true or listings = true, or name a source without on_behalf_of"
            )
            yield Problem(("baskets", place, "source"), phrase)
        first = settings.deployments[basket.deployment_name][0]
        if _schedule(basket) != _schedule(first):
            phrase = f"is that of {first.name}, which has another schedule: give both the same every and cron"
            yield Problem(("baskets", place, "deployment"), phrase)


def _check_feeds(settings: Settings) -> Iterator[Problem]:
    connections: Counter[str] = Counter()
    for place, basket in enumerate(settings.baskets):
        source = settings.sources.get(basket.source)
        if not basket.live or source is None:
            continue
        connections[basket.source] += len(basket.feed_sides)
        where = ("baskets", place, "live")
        if not isinstance(source, Cs2capSettings):
            yield Problem(where, "needs a source of the kind cs2cap: the other API has no feeds")
        elif source.tier not in {AUTO, "quant"}:
            yield Problem(where, f"needs the quant tier, and the source has {source.tier}")
        elif "USD" not in {code.upper() for code in basket.currencies}:
            yield Problem(where, 'needs "USD" among the currencies: the feeds tell prices in US dollars')
        elif connections[basket.source] > MAX_CONNECTIONS:
            phrase = f"is one feed too many: a key has {MAX_CONNECTIONS}, and a basket with bids takes two"
            yield Problem(where, phrase)


def _schedule(basket: BasketSettings) -> tuple[object, ...]:
    return basket.every, basket.cron, basket.timezone


def _check_watches(settings: Settings) -> Iterator[Problem]:
    names = [watch.name for watch in settings.watches]
    currencies = {code.upper() for basket in settings.baskets for code in basket.currencies}
    for place, watch in enumerate(settings.watches):
        if watch.name in names[:place]:
            yield Problem(("watches", place, "name"), "is the name of another watch, too: choose another")
        if watch.item is not None and currencies and watch.currency.upper() not in currencies:
            known = ", ".join(sorted(currencies))
            yield Problem(("watches", place, "currency"), f"is a currency of no basket: they have {known}")


def _lacks_currency(basket: BasketSettings, source: AnySource) -> bool:
    return isinstance(source, SkinsharkSettings) and {code.upper() for code in basket.currencies} != {"USD"}


def _reads_nothing(basket: BasketSettings, source: AnySource) -> bool:
    """Return whether a basket only wants asks, which no sub-user has."""
    for_sub_user = isinstance(source, SkinsharkSettings) and source.on_behalf_of is not None
    return for_sub_user and not (basket.bids or basket.listings)


def _explain_no_listings(basket: BasketSettings, source: AnySource) -> str:
    """Return why the offers of a basket's items cannot be read; empty where they can."""
    if not isinstance(source, SkinsharkSettings):
        return "must be left out: only SkinShark lists single offers"
    if source.market != "all":
        return 'needs market = "all" in its source: offers are those of all markets'
    if tuple(basket.items) == ("all",):
        return "needs named items: each item takes a request or more"
    return ""


def _describe_unknown(source: str, settings: Settings) -> str:
    if not settings.sources:
        return "names no source, because the configuration has none: add [sources.cs2cap]"
    known = ", ".join(settings.sources)
    return f"names no source: the configuration has {known}{suggest(source, settings.sources)}"

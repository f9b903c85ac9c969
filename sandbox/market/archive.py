"""What the market served at any time, before the sandbox began and since."""

from collections import OrderedDict
from collections.abc import Mapping

from sandbox.market.board import Quote
from sandbox.market.catalog import Item
from sandbox.market.grid import floor
from sandbox.market.market import Index, Market
from sandbox.market.past import RAW, PriceHistory
from sandbox.market.price_track import DELISTED, PriceTrack, merge_tracks

MAX_CACHED = 64  # items; the tracks of one take about 150 kB
Tracks = Mapping[int, PriceTrack]  # by provider (position), ascending


class MarketHistory:
    """The generated past and the market as one; tracks are made on demand, the last ones are cached."""

    def __init__(self, market: Market, past: PriceHistory) -> None:
        self.market = market
        self.past = past
        self._cache: OrderedDict[int, tuple[int, int, Tracks]] = OrderedDict()

    @property
    def raw_since(self) -> int:
        """The time from which the past has all its changes (microseconds)."""
        return self.past.start - RAW

    def ask_at(self, place: int, at: int) -> Quote | None:
        """Return the ask that the index served at a place at a time (microseconds)."""
        return self.past.ask_at(place, at) if at < self.past.start else self.market.served_at(place, at)

    def index(self, at: int) -> Index:
        """Return what the API served at a time; before the start at the market's first rates."""
        if at >= self.past.start:
            return self.market.as_of(at)
        rates = self.market.epochs[0].rates
        return Index(_PastQuotes(self.past, at), frozenset(), rates, collected=floor(at))

    def tracks(self, item: Item, *, since: int | None = None) -> Tracks:
        """Return the tracks of one item, at least from `since` (microseconds) or from `raw_since` on."""
        epochs, since = len(self.market.epochs), min(since or self.raw_since, self.raw_since)
        cached = self._cache.pop(item.item_id, None)
        if cached is None or cached[0] != epochs or cached[1] > since:
            cached = epochs, since, self._build_tracks(item, since)
        if len(self._cache) >= MAX_CACHED:
            self._cache.popitem(last=False)
        self._cache[item.item_id] = cached
        return cached[2]

    def _build_tracks(self, item: Item, since: int) -> Tracks:
        board = self.market.board
        tracks: dict[int, list[PriceTrack]] = {}
        for entry in board.catalog.phases(item) if item.aggregate else (item,):
            for place in board.of_item(entry):
                tracks.setdefault(board.provider_of[place], []).append(self._build_track(place, since))
        return {provider: merge_tracks(tracks[provider]) for provider in sorted(tracks)}

    def _build_track(self, place: int, since: int) -> PriceTrack:
        track = PriceTrack()
        for past in self.past.since(place, since):
            track.append(past.at, past.price, past.quantity)
        for at, quote in self.market.steps(place):
            track.append(at, DELISTED if quote is None else quote.price, quote.quantity if quote else 0)
        return track


class _PastQuotes:
    """Quotes by place at one time of the past."""

    def __init__(self, past: PriceHistory, at: int) -> None:
        self._past, self._at = past, at

    def __getitem__(self, place: int) -> Quote | None:
        return self._past.ask_at(place, self._at)

"""What the market asked at any moment, before the sandbox began and since."""

from collections import OrderedDict
from collections.abc import Mapping

from sandbox.market.board import Quote
from sandbox.market.catalog import Item
from sandbox.market.grid import floor
from sandbox.market.market import Index, Market
from sandbox.market.past import RAW, REACH, PriceHistory
from sandbox.market.price_track import DELISTED, PriceTrack, merge_tracks

KEPT = 64  # items whose tracks are kept; about 150 kB each
Tracks = Mapping[int, PriceTrack]  # by provider (position), ascending


class MarketHistory:
    """The past and the market as one; tracks are made when they are asked for, and a few are kept."""

    def __init__(self, market: Market, past: PriceHistory) -> None:
        self.market = market
        self.past = past
        self._kept: OrderedDict[int, tuple[int, bool, Tracks]] = OrderedDict()

    @property
    def raw_since(self) -> int:
        """From when on the past is as dense as it gets (microseconds)."""
        return self.past.start - RAW

    def asked(self, place: int, at: int) -> Quote | None:
        """Return what the index served at a place at a moment (microseconds)."""
        return self.past.ask_at(place, at) if at < self.past.start else self.market.served_at(place, at)

    def index(self, at: int) -> Index:
        """Return what the API served at a moment; before the start at the market's first rates."""
        if at >= self.past.start:
            return self.market.as_of(at)
        return Index(_QuotesAt(self.past, at), frozenset(), self.market.epochs[0].rates, floor(at))

    def tracks(self, item: Item, *, old: bool = False) -> Tracks:
        """Return the tracks of one item, since `raw_since`, or from the beginning where `old`."""
        epochs = len(self.market.epochs)
        kept = self._kept.pop(item.item_id, None)
        if kept is None or kept[0] != epochs or kept[1] < old:
            kept = epochs, old, self._made(item, self.past.start - REACH if old else self.raw_since)
        if len(self._kept) >= KEPT:
            self._kept.popitem(last=False)
        self._kept[item.item_id] = kept
        return kept[2]

    def _made(self, item: Item, since: int) -> Tracks:
        board = self.market.board
        found: dict[int, list[PriceTrack]] = {}
        for entry in board.catalog.phases(item) if item.aggregate else (item,):
            for place in board.of_item(entry):
                found.setdefault(board.provider_of[place], []).append(self._track(place, since))
        return {provider: merge_tracks(found[provider]) for provider in sorted(found)}

    def _track(self, place: int, since: int) -> PriceTrack:
        track = PriceTrack()
        for at, price, quantity in self.past.since(place, since):
            track.step(at, price, quantity)
        for at, quote in self.market.steps(place):
            track.step(at, *((DELISTED, 0) if quote is None else quote[:2]))
        return track


class _QuotesAt:
    """Quotes by place, at one moment of the past."""

    def __init__(self, past: PriceHistory, at: int) -> None:
        self._past, self._at = past, at

    def __getitem__(self, place: int) -> Quote | None:
        return self._past.ask_at(place, self._at)

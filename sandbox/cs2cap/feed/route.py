"""`GET /v1/feed/prices` and `GET /v1/feed/bids`: which connections are accepted, and those that were."""

from datetime import datetime
from functools import partial

from sandbox.clock import Clock, micros
from sandbox.cs2cap import params
from sandbox.cs2cap.feed.connection import FeedConnection
from sandbox.cs2cap.feed.events import FeedScope, render_sse
from sandbox.cs2cap.keys import ApiKey, require_feature
from sandbox.http_types import EVENT_STREAM, ApiError, ApiRequest, ApiResponse, Json
from sandbox.market.market import Market
from sandbox.market.providers import KEYS
from sandbox.market.sides import ASKS, BIDS, BookSide

FEEDS = {"/v1/feed/prices": ASKS, "/v1/feed/bids": BIDS}
MAX_FILTERS = 100  # item ids and names of a connection together
PING_SECONDS = 20.0
ENDS = ("drop", "close", "middle")  # a connection breaks, its body ends, or it breaks in the next event
RETRY_SECONDS = 5  # in the Retry-After where all connections of a key are open


class FeedRoutes:
    """Both feeds. `connections` has every connection since the start, the open ones too."""

    def __init__(self, market: Market, clock: Clock, *, ping_every: float) -> None:
        self.connections: list[FeedConnection] = []
        self._market, self._clock, self._ping_every = market, clock, ping_every

    def respond(self, side: BookSide, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        """Return the response that opens a connection. Raises ApiError."""
        require_feature(key.tier.feeds, request)
        ids, names = _parse_filters(request)
        providers = frozenset(params.known_positions(request.all("providers"), "query"))
        self._check_connections(key)
        scope = FeedScope(side, providers or frozenset(side.providers), self._items(ids, names))
        connection = FeedConnection(
            number=len(self.connections) + 1,
            market=self._market,
            key=key,
            scope=scope,
            opened=micros(now),
            ping_every=self._ping_every,
        )
        self.connections.append(connection)
        ready: dict[str, Json] = {
            "providers": [KEYS[position] for position in sorted(scope.providers)],
            "item_ids_filter_count": len(ids),
            "market_hash_names_filter_count": len(names),
        }
        return ApiResponse(
            body=render_sse("ready", ready),
            headers={"Cache-Control": "no-cache"},
            media=EVENT_STREAM,
            stream=True,
            feed=connection,
            on_sent=partial(self._close, connection),
        )

    @property
    def open_connections(self) -> list[FeedConnection]:
        """The connections that are open now."""
        return [each for each in self.connections if each.closed is None]

    def end_all(self, how: str) -> int:
        """End all open connections in a way of `ENDS`; return how many. Raises ValueError."""
        if how not in ENDS:
            raise ValueError(f"a feed ends with {', '.join(ENDS)}, not {how}")
        ending = self.open_connections
        for connection in ending:
            if how == "middle":
                connection.breaks_in_event = True
            else:
                connection.end = how
        return len(ending)

    def _close(self, connection: FeedConnection) -> None:
        connection.closed = self._clock.us()

    def _check_connections(self, key: ApiKey) -> None:
        """Raise ApiError where a key has all its connections; they count over both feeds."""
        if sum(each.key is key for each in self.open_connections) >= key.tier.feeds:
            raise connections_exceeded(RETRY_SECONDS)

    def _items(self, ids: set[int], names: set[str]) -> frozenset[int] | None:
        """Return the ids of the items in these filters, None without filters; a name is of every phase."""
        if not ids and not names:
            return None
        named = (item.item_id for item in self._market.board.catalog.items if item.name in names)
        return frozenset((*ids, *named))


def connections_exceeded(retry_after: int) -> ApiError:
    """Return the error of a key that has all its connections."""
    code, detail = "RATE_LIMIT_FEED_CONNECTIONS_EXCEEDED", "Too many concurrent feed connections."
    return ApiError(429, code, detail, headers={"Retry-After": str(retry_after)})


def _parse_filters(request: ApiRequest) -> tuple[set[int], set[str]]:
    """Return the requested ids and names of items. Raises ApiError for a wrong id and for too many."""
    texts, names = request.all("item_ids"), request.all("market_hash_names")
    ids = {params.check_int(text, ["query", "item_ids", number]) for number, text in enumerate(texts)}
    if len(texts) + len(names) > MAX_FILTERS:
        message = f"At most {MAX_FILTERS} item_ids and market_hash_names combined are allowed"
        raise params.validation_error("value_error", ["query"], message, value=len(texts) + len(names))
    return ids, set(names)

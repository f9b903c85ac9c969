"""SkinShark's routes and rules over a sandbox's market: one request in, one response in its envelope out."""

import math
import re
from collections.abc import Sequence
from itertools import count
from typing import Final

from sandbox.clock import Clock, micros
from sandbox.faults import FaultRegistry
from sandbox.http_types import ApiRequest, ApiResponse, Json, dumps
from sandbox.market.market import Market
from sandbox.request_log import RequestLog
from sandbox.skinshark.account import (
    FEES_ROUTE,
    is_dashboard_only,
    merchant_fees,
    merchant_profile,
    user_profile,
)
from sandbox.skinshark.errors import ApiError, wrong_field
from sandbox.skinshark.faults import PRICES, Fault, ListingPage
from sandbox.skinshark.listing import C5, ECOSTEAM, SHAPES, ListingQuery, build_rows
from sandbox.skinshark.market_routes import list_offers, list_sell_prices
from sandbox.skinshark.merchant import Merchant
from sandbox.skinshark.offers import Offers
from sandbox.skinshark.params import parse_int

PROFILE: Final = "/merchant"
USER: Final = "/user"
SELL_PRICES: Final = "/market/sell/prices"
# Whether the routes of a sub-user take requests without On-Behalf-Of: by the guides they do, by the
# contract they do not.
SUB_USERS: Final = ("optional", "required")
MAX_LIMIT: Final = 500
DEFAULT_LIMIT: Final = 100
# Tokens: the live listings of an item, and one of these listings, cost more than any other route.
LISTINGS_COST: Final = 5
_LISTINGS: Final = re.compile(r"/market/(?:items/(?P<item>[^/]+)/listings|listings/[^/]+)")


class Skinshark:
    """The API over one market, for one merchant, in one of `SHAPES`. The server adds the Date header.

    `sub_user`, one of `SUB_USERS`, says whether the routes of a sub-user need the header On-Behalf-Of.
    """

    def __init__(
        self,
        market: Market,
        clock: Clock,
        merchant: Merchant,
        *,
        shape: str = "old",
        sub_user: str = "optional",
        seed: int = 1,
    ) -> None:
        self.market, self.clock, self.merchant = market, clock, merchant
        self.offers = Offers(seed)
        self.use_shape(shape)
        self.use_sub_user(sub_user)
        self.faults = FaultRegistry[Fault]()
        self.requests = RequestLog()
        self._numbers = count(1)
        self._cached_rows: tuple[object, list[dict[str, Json]]] = None, []

    def use_shape(self, shape: str) -> None:
        """Serve one of `SHAPES` from now on. Raises ValueError."""
        if shape not in SHAPES:
            raise ValueError(f"the shape of SkinShark's responses is one of {', '.join(SHAPES)}, not {shape}")
        self.shape = shape

    def use_sub_user(self, sub_user: str) -> None:
        """Follow one of `SUB_USERS` from now on. Raises ValueError."""
        if sub_user not in SUB_USERS:
            raise ValueError(f"On-Behalf-Of is one of {', '.join(SUB_USERS)}, not {sub_user}")
        self.sub_user = sub_user

    def fault(self, kind: str, **fields: object) -> Fault:
        """Add a fault: `path`, `limit`, `after`, `times` and `params`. Raises ValueError."""
        return self.faults.add(Fault(kind, **fields))  # type: ignore[arg-type]

    def respond(self, request: ApiRequest, faults: Sequence[Fault] = ()) -> ApiResponse:
        """Return the response that the rules and these faults give now."""
        request_id = f"req-{next(self._numbers):08}"
        try:
            for fault in faults:
                if (replacement := fault.replacement_response()) is not None:
                    return replacement
            data = self._route(request, faults)
        except ApiError as error:
            body: Json = {"requestId": request_id, "success": False, "error": error.to_envelope()}
            return ApiResponse(error.status, dumps(body), error.headers, code=error.key)
        return ApiResponse(body=dumps({"requestId": request_id, "success": True, "data": data}))

    def _route(self, request: ApiRequest, faults: Sequence[Fault]) -> Json:
        path, now = request.path, self.clock.now()
        listings = _LISTINGS.fullmatch(path)
        cost = LISTINGS_COST if listings else 1
        self.merchant.admit(request.headers.get("api-key"), request.address, cost=cost, now=now.timestamp())
        user_id = self._acting_user(request)
        if is_dashboard_only(request.method, path):
            raise ApiError("FORBIDDEN", "This route takes a session of the dashboard")
        item_id = listings["item"] if listings else None
        if request.method != "GET" or (
            path not in {PROFILE, FEES_ROUTE, PRICES, USER, SELL_PRICES} and item_id is None
        ):
            raise ApiError("NOT_FOUND", f"Cannot {request.method} {path}")
        if item_id is not None:
            return list_offers(self.market, self.offers, request, item_id, now=micros(now), faults=faults)
        if path == PRICES:
            return self._list_prices(request, faults)
        if path == SELL_PRICES:
            return list_sell_prices(self.market, request, now=micros(now), faults=faults)
        if path == USER:
            return user_profile(user_id)
        return merchant_profile(self.shape) if path == PROFILE else merchant_fees(self.shape)

    def _acting_user(self, request: ApiRequest) -> str | None:
        """Return the sub-user that a request acts for; None for the merchant itself. Raises ApiError."""
        name = request.headers.get("on-behalf-of")
        merchant_only = request.path == PRICES or f"{request.path}/".startswith(f"{PROFILE}/")
        if name is None:
            if self.sub_user == "required" and not merchant_only:
                raise wrong_field(["On-Behalf-Of"], "Required")
            return None
        if merchant_only:
            raise ApiError("FORBIDDEN", "This route takes the merchant itself")
        return self.merchant.find_user(name)

    def _list_prices(self, request: ApiRequest, faults: Sequence[Fault]) -> Json:
        page, limit, query = _parse_query(request, self.shape)
        if limit == -1 and any(fault.kind == "paged" for fault in faults):
            limit = DEFAULT_LIMIT
        rows = self._rows(query)
        size = len(rows) if limit == -1 else limit
        items: list[Json] = [dict(row) for row in rows[(page - 1) * size : page * size]]
        listing: ListingPage = {
            "items": items,
            "total": len(rows),
            "page": page,
            "limit": limit,
            "totalPages": 1 if limit == -1 else math.ceil(len(rows) / limit),
        }
        for fault in faults:
            fault.apply(listing)
        return listing

    def _rows(self, query: ListingQuery) -> list[dict[str, Json]]:
        """Return all rows, from the cache until one of them changes."""
        versions, market = self.market.versions, self.market
        stamp = query, market.dark, versions.rows[C5], versions.rows[ECOSTEAM]
        if self._cached_rows[0] != stamp:
            self._cached_rows = stamp, build_rows(market, micros(self.clock.now()), query)
        return self._cached_rows[1]


def _parse_query(request: ApiRequest, shape: str) -> tuple[int, int, ListingQuery]:
    """Return page, limit and query of a listing; the new shape ignores `market`. Raises ApiError."""
    page, limit = parse_int(request, "page", 1), parse_int(request, "limit", DEFAULT_LIMIT)
    fees = request.one("includeFees")
    if page < 1 or not (limit == -1 or 1 <= limit <= MAX_LIMIT):
        raise wrong_field(["page" if page < 1 else "limit"], "out of range")
    if fees not in {None, "true", "false"}:
        raise wrong_field(["includeFees"], "expected true or false")
    market = 0 if shape == "new" else parse_int(request, "market", 0)
    if market not in {0, 3, 4}:
        raise ApiError("BAD_REQUEST", f"Market {market} cannot be filtered on")
    return page, limit, ListingQuery(market, fees != "false", shape)

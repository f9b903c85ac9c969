"""SkinShark's routes and rules over a sandbox's market: one request in, one response in its envelope out."""

import math
from collections.abc import Sequence
from itertools import count
from typing import Final

from sandbox.clock import Clock, micros
from sandbox.faults import FaultRegistry
from sandbox.http_types import ApiRequest, ApiResponse, Json, dumps
from sandbox.market.market import Market
from sandbox.request_log import RequestLog
from sandbox.skinshark.faults import PRICES, Fault, ListingPage
from sandbox.skinshark.listing import C5, ECOSTEAM, ListingQuery, build_rows
from sandbox.skinshark.merchant import LISTING_COST, ApiError, Merchant

PROFILE: Final = "/merchant"
MAX_LIMIT: Final = 500
DEFAULT_LIMIT: Final = 100


class Skinshark:
    """The API over one market, for one merchant. The server adds the Date header."""

    def __init__(self, market: Market, clock: Clock, merchant: Merchant) -> None:
        self.market, self.clock, self.merchant = market, clock, merchant
        self.faults = FaultRegistry[Fault]()
        self.requests = RequestLog()
        self._numbers = count(1)
        self._cached_rows: tuple[object, list[dict[str, Json]]] = None, []

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
        cost = LISTING_COST if request.path == PRICES else 1
        self.merchant.admit(
            request.headers.get("api-key"), request.address, cost=cost, now=self.clock.now().timestamp()
        )
        if request.path not in {PROFILE, PRICES} or request.method != "GET":
            raise ApiError("NOT_FOUND", f"Cannot {request.method} {request.path}")
        if "on-behalf-of" in request.headers:
            raise ApiError("FORBIDDEN", "This route takes the merchant itself")
        return _PROFILE_DATA if request.path == PROFILE else self._list_prices(request, faults)

    def _list_prices(self, request: ApiRequest, faults: Sequence[Fault]) -> Json:
        page, limit, query = _parse_query(request)
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


_PROFILE_DATA: Json = {
    "id": "4b1f0c52-8c1c-4f0e-9d55-0d5a2f1f7a10",
    "email": "merchant@example.com",
    "emailVerified": True,
    "country": None,
    "roles": ["user", "merchant"],
    "twoFactorEnabled": False,
    "twoFactorMethod": None,
    "feeBps": 0,
    "merchantFeeBps": 500,
    "childDefaultFeeBps": None,
    "wallets": {"spot": {"currency": "USD", "balance": 0}, "earnings": None},
    "createdAt": "2026-01-01T00:00:00.000Z",
}


def _parse_query(request: ApiRequest) -> tuple[int, int, ListingQuery]:
    """Return page, limit and query of a listing. Raises ApiError."""
    page, limit = _parse_int(request, "page", 1), _parse_int(request, "limit", DEFAULT_LIMIT)
    market, fees = _parse_int(request, "market", 0), request.one("includeFees")
    if page < 1 or not (limit == -1 or 1 <= limit <= MAX_LIMIT):
        raise _invalid("page" if page < 1 else "limit", "out of range")
    if fees not in {None, "true", "false"}:
        raise _invalid("includeFees", "expected true or false")
    if market not in {0, 3, 4}:
        raise ApiError("BAD_REQUEST", f"Market {market} cannot be filtered on")
    return page, limit, ListingQuery(market, fees != "false")


def _parse_int(request: ApiRequest, name: str, default: int) -> int:
    text = request.one(name)
    try:
        return default if text is None else int(text)
    except ValueError:
        raise _invalid(name, "expected an integer") from None


def _invalid(name: str, message: str) -> ApiError:
    return ApiError("VALIDATION_FAILED", "Validation failed", details=[{"path": name, "message": message}])

"""SkinShark's routes and rules over a sandbox's market: one request in, one answer in its envelope out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from sandbox.clock import Clock, micros
from sandbox.http_types import ApiResponse, Json, dumps
from sandbox.market.market import Market
from sandbox.request_log import RequestLog
from sandbox.skinshark.faults import PRICES, Fault, ListingPage
from sandbox.skinshark.listing import C5, ECOSTEAM, ListingQuery, rows
from sandbox.skinshark.merchant import LISTING, ApiError, Merchant

PROFILE: Final = "/merchant"
MOST: Final = 500
DEFAULT: Final = 100


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What the rules need of a request; header names in lower case, `address` is who asks."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    address: str


class Skinshark:
    """The API over one market, for one merchant. Answers carry no Date; the server adds it."""

    def __init__(self, market: Market, clock: Clock, merchant: Merchant) -> None:
        self.market, self.clock, self.merchant = market, clock, merchant
        self.faults: list[Fault] = []
        self.requests = RequestLog()
        self._numbers = count(1)
        self._kept: tuple[object, list[dict[str, Json]]] = None, []

    def fault(self, kind: str, **how: object) -> Fault:
        """Set a fault: `path`, `limit`, `after`, `times` and `params`. Raises ValueError."""
        fault = Fault(kind, **how)  # type: ignore[arg-type]
        self.faults.append(fault)
        return fault

    def matching_faults(self, call: ApiRequest) -> list[Fault]:
        """Return the faults that a request meets."""
        return [fault for fault in self.faults if fault.matches(call.path, call.query.get("limit", ""))]

    def answer(self, call: ApiRequest, striking: Sequence[Fault] = ()) -> ApiResponse:
        """Return the answer that the rules, and these faults, give at this moment."""
        request_id = f"req-{next(self._numbers):08}"
        try:
            for fault in striking:
                if (instead := fault.replacement_response()) is not None:
                    return instead
            data = self._routed(call, striking)
        except ApiError as rejected:
            told: Json = {"requestId": request_id, "success": False, "error": rejected.to_envelope()}
            return ApiResponse(rejected.status, dumps(told), rejected.headers, code=rejected.key)
        return ApiResponse(body=dumps({"requestId": request_id, "success": True, "data": data}))

    def _routed(self, call: ApiRequest, striking: Sequence[Fault]) -> Json:
        routes = {PROFILE: self._profile, PRICES: self._prices}
        cost = LISTING if call.path == PRICES else 1
        self.merchant.admit(call.headers.get("api-key"), call.address, cost, self.clock.now().timestamp())
        if call.path not in routes or call.method != "GET":
            raise ApiError("NOT_FOUND", f"Cannot {call.method} {call.path}")
        if "on-behalf-of" in call.headers:
            raise ApiError("FORBIDDEN", "This route takes the merchant itself")
        return routes[call.path](call, striking)

    def _profile(self, _call: ApiRequest, _striking: Sequence[Fault]) -> Json:
        return {
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

    def _prices(self, call: ApiRequest, striking: Sequence[Fault]) -> Json:
        page, limit, asked = _asked(call)
        if limit == -1 and any(fault.kind == "paged" for fault in striking):
            limit = DEFAULT
        listed = self._listed(asked)
        size = len(listed) if limit == -1 else limit
        shown: list[Json] = [dict(row) for row in listed[(page - 1) * size : page * size]]
        told: ListingPage = {
            "items": shown,
            "total": len(listed),
            "page": page,
            "limit": limit,
            "totalPages": 1 if limit == -1 else math.ceil(len(listed) / limit),
        }
        for fault in striking:
            fault.apply(told)
        return told

    def _listed(self, asked: ListingQuery) -> list[dict[str, Json]]:
        """Return all rows, from memory while none of them has moved."""
        versions, market = self.market.versions, self.market
        stamp = asked, market.dark, versions.rows[C5], versions.rows[ECOSTEAM]
        if self._kept[0] != stamp:
            self._kept = stamp, rows(market, micros(self.clock.now()), asked)
        return self._kept[1]


def _asked(call: ApiRequest) -> tuple[int, int, ListingQuery]:
    """Return page, limit and what is asked; raises Rejected."""
    page, limit = _whole(call, "page", 1), _whole(call, "limit", DEFAULT)
    market, fees = _whole(call, "market", 0), call.query.get("includeFees", "true")
    if page < 1 or not (limit == -1 or 1 <= limit <= MOST):
        raise _invalid("page" if page < 1 else "limit", "out of range")
    if fees not in {"true", "false"}:
        raise _invalid("includeFees", "expected true or false")
    if market not in {0, 3, 4}:
        raise ApiError("BAD_REQUEST", f"Market {market} cannot be filtered on")
    return page, limit, ListingQuery(market, fees == "true")


def _whole(call: ApiRequest, name: str, default: int) -> int:
    try:
        return int(call.query.get(name, default))
    except ValueError:
        raise _invalid(name, "expected an integer") from None


def _invalid(name: str, what: str) -> ApiError:
    return ApiError("VALIDATION_FAILED", "Validation failed", details=[{"path": name, "message": what}])

"""CS2Cap's faults on request: their kinds, and the responses that some of them give."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sandbox.cs2cap.feed.faults import FEED_KINDS
from sandbox.cs2cap.feed.route import FEEDS, RETRY_SECONDS, connections_exceeded
from sandbox.cs2cap.series.cursors import expired_cursor_error
from sandbox.faults import ScheduledFault
from sandbox.http_types import ApiError, ApiRequest, ApiResponse
from sandbox.market.sides import ASKS, BIDS

# The parameters of each kind. "drop" closes the connection before the request has any effect, "lost_answer"
# after it.
KINDS: Mapping[str, frozenset[str]] = {
    "latency": frozenset({"seconds"}),
    "rate_limited": frozenset({"retry_after"}),
    "refused": frozenset({"status", "code", "detail"}),
    "status_500": frozenset({"status"}),
    "unavailable": frozenset({"coded", "retry_after"}),
    "drop": frozenset(),
    "lost_answer": frozenset(),
    "truncate": frozenset({"how", "share", "rows"}),
    "short_stream": frozenset({"rows"}),
    "stall": frozenset({"seconds"}),
    "html": frozenset({"status"}),
    "broken_row": frozenset({"field", "value", "row"}),
    "broken_line": frozenset({"row", "text"}),
    "new_field": frozenset({"name", "value"}),
    "repeated_row": frozenset({"row"}),
    "rows_appear": frozenset({"n", "provider", "item_ids"}),
    "rows_vanish": frozenset({"n", "provider", "item_ids"}),
    "dark": frozenset({"provider"}),
    "endless": frozenset({"how"}),
    "unknown_total": frozenset(),
    "wrong_total": frozenset({"by"}),
    "revoke_key": frozenset(),
    "redirect": frozenset({"location"}),
    "skewed_date": frozenset({"seconds"}),
    "cursor_expired": frozenset(),
    "cursor_repeats": frozenset(),
    "cursor_goes_round": frozenset(),
    **FEED_KINDS,
}
CURSOR_KINDS = ("cursor_expired", "cursor_repeats", "cursor_goes_round")  # of requests with a cursor
_FIELDS = ("path", "method", "after", "times", "match")


@dataclass(slots=True)
class Fault(ScheduledFault):
    """One fault of requests with this `path` and `method` (empty: any) and these query parameters."""

    path: str = "/v1/prices"
    match: Mapping[str, str] = field(default_factory=dict)
    method: str = ""

    def applies_to(self, request: ApiRequest) -> bool:
        """Return whether a request has the fault's path, method and parameters."""
        return (
            self.path in {"", request.path}
            and self.method in {"", request.method}
            and all(item in request.query for item in self.match.items())
            and (self.kind not in CURSOR_KINDS or request.one("cursor") is not None)
            and (self.kind not in FEED_KINDS or request.path in FEEDS)
        )


def build_fault(kind: str, **fields: object) -> Fault:
    """Return a fault from `path`, `method`, `after`, `times`, `match`, and the parameters of its kind.

    Raises ValueError.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown fault {kind!r}; choose from {', '.join(KINDS)}")
    general = {name: fields.pop(name) for name in _FIELDS if name in fields}
    if unknown := set(fields) - KINDS[kind]:
        known = ", ".join(sorted(KINDS[kind])) or "no parameters"
        raise ValueError(f"{kind} takes {known}, not {', '.join(unknown)}")
    if kind in CURSOR_KINDS or kind in FEED_KINDS:
        general = {"path": "", **general}
    return Fault(kind, params=fields, **general)  # type: ignore[arg-type]


def replacement_response(faults: Iterable[Fault]) -> ApiResponse | None:
    """Return the response that replaces the API's own, if one of the faults has one."""
    return next((_REPLACEMENTS[fault.kind](fault) for fault in faults if fault.kind in _REPLACEMENTS), None)


def _rate_limited(fault: Fault) -> ApiResponse:
    wait = str(int(fault.number("retry_after", 1)))
    headers = {"Retry-After": wait, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": wait}
    return ApiError(429, "RATE_LIMIT_EXCEEDED", "Too Many Requests", headers=headers).to_response()


def _refused(fault: Fault) -> ApiResponse:
    """Refuse a request with any status and code, which may be none."""
    code, detail = fault.text("code") or None, fault.text("detail", "The request is refused")
    return ApiError(int(fault.number("status", 403)), code, detail).to_response()


def _unavailable(fault: Fault) -> ApiResponse:
    side = BIDS if fault.path.startswith(BIDS.path) else ASKS
    known = "SERVICE_UNAVAILABLE" if fault.path in FEEDS else side.unavailable
    code = known if fault.params.get("coded", True) else None
    detail = f"{side.name.capitalize()} data is temporarily unavailable. Try again shortly."
    wait = int(fault.number("retry_after", 0))
    headers = {"Retry-After": str(wait)} if wait else {}
    return ApiError(503, code, detail, headers=headers).to_response()


_REPLACEMENTS: Mapping[str, Callable[[Fault], ApiResponse]] = {
    "rate_limited": _rate_limited,
    "refused": _refused,
    "status_500": lambda fault: ApiResponse(int(fault.number("status", 500)), b"Oops", media="text/plain"),
    "unavailable": _unavailable,
    "drop": lambda _: ApiResponse(drop=True),
    "html": lambda fault: ApiResponse(
        int(fault.number("status", 200)),
        b"<!doctype html><title>Just a moment...</title>",
        media="text/html; charset=utf-8",
    ),
    "feed_connections": lambda fault: connections_exceeded(
        int(fault.number("retry_after", RETRY_SECONDS))
    ).to_response(),
    "cursor_expired": lambda _: expired_cursor_error().to_response(),
    "redirect": lambda fault: ApiResponse(
        302, headers={"Location": fault.text("location", "http://127.0.0.1:9/v1/prices")}
    ),
}


def strip_offset(request: ApiRequest, faults: Iterable[Fault]) -> ApiRequest:
    """Return the request without its offset where an "endless" fault repeats the first page."""
    if any(fault.kind == "endless" and fault.text("how", "repeat") == "repeat" for fault in faults):
        return request._replace(query=tuple(pair for pair in request.query if pair[0] != "offset"))
    return request

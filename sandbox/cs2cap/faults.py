"""Faults on request: which requests go wrong, how often, and how."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from sandbox.cs2cap.series.cursors import expired_cursor_error
from sandbox.http_types import ApiError, ApiRequest, ApiResponse, Json
from sandbox.market.sides import ASKS, BIDS

Params = dict[str, Json]


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong on matching requests.

    `path` and `method` (empty: any) and `match` (a subset of the query) choose the requests; the first
    `after` pass, then `times` of them fail (None: all). `params` belong to the kind; see `KINDS`.
    """

    kind: str
    path: str = "/v1/prices"
    after: int = 0
    times: int | None = 1
    match: Mapping[str, str] = field(default_factory=dict)
    method: str = ""
    params: Params = field(default_factory=dict)
    seen: int = 0

    def matches(self, request: ApiRequest) -> bool:
        """Return whether this request goes wrong; counts it."""
        if self.path not in {"", request.path} or self.method not in {"", request.method}:
            return False
        if not all(item in request.query for item in self.match.items()):
            return False
        if self.kind in CURSORS and request.one("cursor") is None:
            return False
        self.seen += 1
        return self.seen > self.after and (self.times is None or self.seen <= self.after + self.times)

    def number(self, name: str, default: float) -> float:
        """Return a parameter that is a number."""
        value = self.params.get(name, default)
        return float(value) if isinstance(value, int | float) else default

    def numbers(self, name: str) -> list[int] | None:
        """A parameter that is a list of whole numbers, or None."""
        value = self.params.get(name)
        return [number for number in value if isinstance(number, int)] if isinstance(value, list) else None

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter that is a text."""
        return str(self.params.get(name, default))


class Faults:
    """The faults that are set, in the order in which they strike."""

    def __init__(self) -> None:
        self.active: list[Fault] = []

    def add(self, kind: str, **how: object) -> Fault:
        """Set a fault: `path`, `method`, `after`, `times`, `match`, and what its kind takes.

        Raises ValueError.
        """
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; there are {', '.join(KINDS)}")
        general = {
            name: how.pop(name) for name in ("path", "method", "after", "times", "match") if name in how
        }
        if unknown := set(how) - KINDS[kind]:
            raise ValueError(
                f"{kind} takes {', '.join(sorted(KINDS[kind])) or 'nothing'}, not {', '.join(unknown)}"
            )
        if kind in CURSORS:
            general = {"path": "", **general}
        fault = Fault(kind, params=cast("Params", how), **general)  # type: ignore[arg-type]
        self.active.append(fault)
        return fault

    def clear(self) -> None:
        """Let everything go right again."""
        self.active.clear()

    def matching(self, request: ApiRequest) -> list[Fault]:
        """Return the faults that this request meets."""
        return [fault for fault in list(self.active) if fault.matches(request)]


# What each kind takes. "drop" ends the connection before the request has any effect, "lost_answer" after it.
KINDS: Mapping[str, frozenset[str]] = {
    "latency": frozenset({"seconds"}),
    "rate_limited": frozenset({"retry_after"}),
    "status_500": frozenset({"status"}),
    "unavailable": frozenset({"coded"}),
    "drop": frozenset(),
    "lost_answer": frozenset(),
    "truncate": frozenset({"how", "share", "rows"}),
    "short_stream": frozenset({"rows"}),
    "stall": frozenset({"seconds"}),
    "html": frozenset(),
    "broken_row": frozenset({"field", "value", "row"}),
    "broken_line": frozenset({"row", "text"}),
    "new_field": frozenset({"name", "value"}),
    "rows_appear": frozenset({"n", "provider", "item_ids"}),
    "rows_vanish": frozenset({"n", "provider", "item_ids"}),
    "dark": frozenset({"provider"}),
    "endless": frozenset({"how"}),
    "unknown_total": frozenset(),
    "revoke_key": frozenset(),
    "redirect": frozenset({"location"}),
    "skewed_date": frozenset({"seconds"}),
    "cursor_expired": frozenset(),
    "cursor_repeats": frozenset(),
    "cursor_goes_round": frozenset(),
}
CURSORS = ("cursor_expired", "cursor_repeats", "cursor_goes_round")  # of requests with a cursor, on any path


def replacement_response(faults: Iterable[Fault]) -> ApiResponse | None:
    """Return the answer that takes the place of the right one, if a fault has one."""
    return next((_INSTEAD[fault.kind](fault) for fault in faults if fault.kind in _INSTEAD), None)


def _rate_limited(fault: Fault) -> ApiResponse:
    wait = str(int(fault.number("retry_after", 1)))
    headers = {"Retry-After": wait, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": wait}
    return ApiError(429, "RATE_LIMIT_EXCEEDED", "Too Many Requests", headers).to_response()


def _unavailable(fault: Fault) -> ApiResponse:
    side = BIDS if fault.path.startswith(BIDS.path) else ASKS
    code = side.unavailable if fault.params.get("coded", True) else None
    detail = f"{side.name.capitalize()} data is temporarily unavailable. Try again shortly."
    return ApiError(503, code, detail).to_response()


_INSTEAD: Mapping[str, Callable[[Fault], ApiResponse]] = {
    "rate_limited": _rate_limited,
    "status_500": lambda fault: ApiResponse(int(fault.number("status", 500)), b"Oops", media="text/plain"),
    "unavailable": _unavailable,
    "drop": lambda _: ApiResponse(drop=True),
    "html": lambda _: ApiResponse(
        200, b"<!doctype html><title>Just a moment...</title>", media="text/html; charset=utf-8"
    ),
    "cursor_expired": lambda _: expired_cursor_error().to_response(),
    "redirect": lambda fault: ApiResponse(
        302, headers={"Location": fault.text("location", "http://127.0.0.1:9/v1/prices")}
    ),
}


def strip_offset(request: ApiRequest, faults: Iterable[Fault]) -> ApiRequest:
    """Return the request without its offset where a fault ignores it: `how` is "repeat", not "empty"."""
    if any(fault.kind == "endless" and fault.text("how", "repeat") == "repeat" for fault in faults):
        return request._replace(query=tuple(pair for pair in request.query if pair[0] != "offset"))
    return request

"""SkinShark's faults on request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from sandbox.faults import ScheduledFault
from sandbox.http_types import ApiRequest, ApiResponse, Json, dumps
from sandbox.skinshark.errors import ERRORS, ApiError

PRICES: Final = "/market/prices"
ListingPage = dict[str, Json]


@dataclass(slots=True)
class Fault(ScheduledFault):
    """One fault: an error of the API by its key, or one of `KINDS`; `limit` selects requests (None: any).

    An error takes the parameters `retry_after`, `status`, and `details` (as in the envelope); the kind
    "error" raises any error, with the `key` in its parameters.
    """

    path: str = PRICES
    limit: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in {*KINDS, *ERRORS}:
            raise ValueError(f"unknown fault {self.kind!r}; choose from {', '.join((*KINDS, *ERRORS))}")

    def applies_to(self, request: ApiRequest) -> bool:
        """Return whether a request has the fault's path and limit."""
        return self.path == request.path and self.limit in {None, request.one("limit") or ""}

    def replacement_response(self) -> ApiResponse | None:
        """Return the response that replaces the API's own, if any; raise the API's error of this kind."""
        if self.kind in {*ERRORS, "error"}:
            raise self._build_error()
        return _REPLACEMENTS[self.kind]() if self.kind in _REPLACEMENTS else None

    def _build_error(self) -> ApiError:
        wait, status = self.params.get("retry_after"), self.number("status", 0)
        return ApiError(
            self.text("key", self.kind),
            details=self.params.get("details"),
            headers={} if wait is None else {"retry-after": str(wait)},
            status=int(status) or None,
        )

    def apply(self, page: ListingPage) -> None:
        """Change a listing as this kind of fault does."""
        if self.kind in _EDITS:
            _EDITS[self.kind](page, self)


_REPLACEMENTS: Mapping[str, Callable[[], ApiResponse]] = {
    "drop": lambda: ApiResponse(drop=True),
    "html": lambda: ApiResponse(
        body=b"<!doctype html><title>Just a moment...</title>", media="text/html; charset=utf-8"
    ),
    "bare": lambda: ApiResponse(body=b'{"items":[]}'),
    "unknown": lambda: ApiResponse(body=dumps({"requestId": "req-unknown", "success": True})),
    "too_large": lambda: ApiResponse(413, b"Payload Too Large", media="text/plain; charset=utf-8"),
}


def _break_row(page: ListingPage, fault: Fault) -> None:
    row = cast("list[ListingPage]", page["items"])[cast("int", fault.params.get("row", 0))]
    *parents, field = fault.text("field", "standard").split(".")
    for parent in parents:
        row[parent] = dict(cast("ListingPage", row[parent]))  # a copy: the sandbox caches its rows
        row = cast("ListingPage", row[parent])
    row[field] = fault.params.get("value", "much")


def _add_field(page: ListingPage, _fault: Fault) -> None:
    for row in cast("list[ListingPage]", page["items"]):
        row["volume24h"] = 7


def _increment(name: str) -> Callable[[ListingPage, Fault], None]:
    def edit(page: ListingPage, _fault: Fault) -> None:
        page[name] = cast("int", page[name]) + 1

    return edit


_EDITS: Mapping[str, Callable[[ListingPage, Fault], None]] = {
    "broken_row": _break_row,
    "new_field": _add_field,
    "wrong_total": _increment("total"),
    "wrong_page": _increment("page"),
}
# "paged" returns the default page where all rows were requested; "too_large" responds like a proxy.
# "sold" sells, and "offered" lists, `count` of the cheapest offers of an item before its page is read.
# "not_accepted" takes no deposit of any item; "broken_offer" breaks a field of the first offer of a page.
KINDS: Final = (
    "latency",
    "error",
    "paged",
    "sold",
    "offered",
    "not_accepted",
    "broken_offer",
    *_REPLACEMENTS,
    *_EDITS,
)

"""What goes wrong at SkinShark on request."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from sandbox.http_types import ApiResponse, Json, dumps
from sandbox.skinshark.merchant import ERRORS, ApiError

PRICES: Final = "/market/prices"
ListingPage = dict[str, Json]


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong: an error of the API by its key, or one of `KINDS`.

    `path` and `limit` (None: any) choose the requests; the first `after` pass, then `times` of them fail
    (None: all). `params` belong to the kind.
    """

    kind: str
    path: str = PRICES
    limit: str | None = None
    after: int = 0
    times: int | None = 1
    params: Mapping[str, Json] = field(default_factory=dict)
    seen: int = 0

    def __post_init__(self) -> None:
        if self.kind not in {*KINDS, *ERRORS}:
            raise ValueError(f"no fault {self.kind!r}; there are {', '.join((*KINDS, *ERRORS))}")

    def matches(self, path: str, limit: str) -> bool:
        """Return whether a request goes wrong; counts it."""
        if self.path != path or self.limit not in {None, limit}:
            return False
        self.seen += 1
        return self.seen > self.after and (self.times is None or self.seen <= self.after + self.times)

    async def wait(self) -> None:
        """Have the request wait for its answer, if that is what goes wrong."""
        if self.kind == "latency":
            await asyncio.sleep(cast("float", self.params.get("seconds", 1)))

    def replacement_response(self) -> ApiResponse | None:
        """Return the answer that takes the place of the right one, or raise the API's own error."""
        if self.kind in ERRORS:
            wait = self.params.get("retry_after")
            raise ApiError(self.kind, headers={} if wait is None else {"retry-after": str(wait)})
        return _INSTEAD[self.kind]() if self.kind in _INSTEAD else None

    def apply(self, page: ListingPage) -> None:
        """Do to a listing what goes wrong with it."""
        if self.kind in _EDITS:
            _EDITS[self.kind](page, self)


_INSTEAD: Mapping[str, Callable[[], ApiResponse]] = {
    "drop": lambda: ApiResponse(drop=True),
    "html": lambda: ApiResponse(body=b"<!doctype html><title>Just a moment...</title>", media="text/html"),
    "bare": lambda: ApiResponse(body=b'{"items":[]}'),
    "untold": lambda: ApiResponse(body=dumps({"requestId": "req-untold", "success": True})),
    "too_large": lambda: ApiResponse(413, b"Payload Too Large", media="text/plain"),
}


def _break_row(page: ListingPage, fault: Fault) -> None:
    row = cast("list[ListingPage]", page["items"])[cast("int", fault.params.get("row", 0))]
    row[str(fault.params.get("field", "standard"))] = fault.params.get("value", "much")


def _new_field(page: ListingPage, _fault: Fault) -> None:
    for row in cast("list[ListingPage]", page["items"]):
        row["volume24h"] = 7


def _wrong_total(page: ListingPage, _fault: Fault) -> None:
    page["total"] = cast("int", page["total"]) + 1


def _wrong_page(page: ListingPage, _fault: Fault) -> None:
    page["page"] = cast("int", page["page"]) + 1


_EDITS: Mapping[str, Callable[[ListingPage, Fault], None]] = {
    "broken_row": _break_row,
    "new_field": _new_field,
    "wrong_total": _wrong_total,
    "wrong_page": _wrong_page,
}
# "paged" takes "everything" for the default page, "too_large" answers as a proxy would.
KINDS: Final = ("latency", "paged", *_INSTEAD, *_EDITS)

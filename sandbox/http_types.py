"""Requests and responses as both APIs see them, without a server."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
NDJSON = "application/x-ndjson"
Json = None | bool | int | float | str | list["Json"] | Mapping[str, "Json"]


class ApiRequest(NamedTuple):
    """One request: the query decoded and in order, names of headers in lower case, the client's address."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = {}
    body: bytes = b""
    address: str = ""

    @property
    def authorization(self) -> str | None:
        """The `Authorization` header, or None."""
        return self.headers.get("authorization")

    def one(self, name: str) -> str | None:
        """Return the last value of a query parameter, or None."""
        return next((value for key, value in reversed(self.query) if key == name), None)

    def all(self, name: str) -> list[str]:
        """Return every value of a repeated query parameter."""
        return [value for key, value in self.query if key == name]


class Feed(Protocol):
    """A body without end, of which more comes with time."""

    @property
    def end(self) -> str | None:
        """How the body ends now: "close" (complete), "drop" (the connection breaks), or None: not yet."""

    def poll(self, now: datetime) -> Sequence[bytes]:
        """Return the chunks to send since the last call, each to be sent alone."""


@dataclass(slots=True)
class ApiResponse:
    """Status, headers and body of a response, and how it is sent.

    `gzipped`: the body is compressed already. `code`: the API's error code, for the request log.
    `stream`: sent without Content-Length. `stall`: a pause of so many seconds in the middle.
    `cut`: the connection is closed after this share of the body; `drop`: before the first byte.
    `on_sent` is called once the response is sent or lost. `feed`: sent after the body, without end.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    media: str = JSON
    gzipped: bool = False
    code: str | None = None
    cut: float | None = None
    drop: bool = False
    stream: bool = False
    stall: float = 0.0
    on_sent: Callable[[], None] = lambda: None
    feed: Feed | None = None


class ApiError(Exception):
    """A request that CS2Cap's rules refuse; `code` is None where the API gives none."""

    def __init__(
        self, status: int, code: str | None, detail: Json, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code or status)
        self.status, self.code, self.detail, self.headers = status, code, detail, dict(headers or {})

    def to_response(self) -> ApiResponse:
        """Return the error response."""
        body: dict[str, Json] = {"code": self.code} if self.code else {}
        content = dumps({**body, "detail": self.detail})
        return ApiResponse(self.status, content, self.headers, code=self.code)


def dumps(value: Json) -> bytes:
    """Return a value as compact JSON in UTF-8; half of a surrogate pair becomes an escape."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")

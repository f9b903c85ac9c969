"""Requests and answers as the rules see them, apart from any server."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

JSON = "application/json"
NDJSON = "application/x-ndjson"
Json = None | bool | int | float | str | list["Json"] | Mapping[str, "Json"]


class ApiRequest(NamedTuple):
    """What the rules need of a request; `query` in the order in which it came, decoded."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    authorization: str | None
    body: bytes = b""

    def one(self, name: str) -> str | None:
        """Return the last value of a parameter, or None."""
        return next((value for key, value in reversed(self.query) if key == name), None)

    def all(self, name: str) -> list[str]:
        """Return every value of a repeated parameter."""
        return [value for key, value in self.query if key == name]


@dataclass(slots=True)
class ApiResponse:
    """Status, headers and body; `gzipped` says that the body is compressed already.

    A `stream` is sent without its length. `stall` is a silence of so many seconds in the middle. `cut` ends
    the connection after this share of the body as sent, `drop` before the first byte. `over` is called once
    the answer is sent or lost.
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
    over: Callable[[], None] = lambda: None


class ApiError(Exception):
    """A request that the rules turn down: status, code (None where the API gives none), detail, headers."""

    def __init__(
        self, status: int, code: str | None, detail: Json, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code or status)
        self.status, self.code, self.detail, self.headers = status, code, detail, dict(headers or {})

    def to_response(self) -> ApiResponse:
        """Return the answer that tells it."""
        body: dict[str, Json] = {"code": self.code} if self.code else {}
        return ApiResponse(self.status, dumps({**body, "detail": self.detail}), self.headers, code=self.code)


def dumps(value: Json) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

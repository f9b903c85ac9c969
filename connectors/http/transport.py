"""The wire: a request out, its response in, httpx's exceptions made ours; only this module knows httpx."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx

from common.errors import (
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    RequestTimeout,
    SourceError,
    UnexpectedResponse,
)
from common.text import sanitize
from connectors.http.auth import BearerAuth, HeaderAuth, Key
from connectors.http.compression import MAX_BODY_BYTES

Params = Sequence[tuple[str, str]]
_T = TypeVar("_T")
_IDLE: Final = 20.0
# Failures before the first byte of a request has left.
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What is asked for; as text "GET /v1/prices", by which answers and errors are told apart.

    `content` is JSON, or None for a request without a body. `cost` is what it takes of the minute, and
    `metered` says that it counts in the month.
    """

    method: str
    path: str
    params: Params = field(default=(), repr=False)
    content: bytes | None = field(default=None, repr=False)
    cost: int = 1
    metered: bool = True

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class StreamingResponse:
    """A response whose body is still under way; `headers` has lower-case names."""

    def __init__(self, call: ApiRequest, response: httpx.Response, line: "_Deadline") -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._call = call
        self._response = response
        self._line = line
        self._chunks: AsyncGenerator[bytes] = response.aiter_raw()  # type: ignore[assignment]

    async def read_chunk(self) -> bytes:
        """Return what has arrived since, as it was sent; empty at the end."""
        return await self._line.run(partial(anext, self._chunks, b""))

    async def read(self) -> bytes:
        """Read the body to its end."""
        raw = bytearray()
        while chunk := await self.read_chunk():
            raw += chunk
            if len(raw) > MAX_BODY_BYTES:
                raise UnexpectedResponse(f"{self._call}: an answer without end", self._line.source)
        return bytes(raw)

    async def aclose(self) -> None:
        """Let go of the response; what was not read of it ends the connection."""
        await self._response.aclose()


class Transport:
    """The connections to one source, `concurrency` of them; an answer has `deadline` seconds unless said."""

    def __init__(
        self,
        source: str,
        base_url: str,
        key: Key,
        concurrency: int,
        deadline: float,
        auth: type[HeaderAuth] = BearerAuth,
    ) -> None:
        self._source = source
        self._key = key
        self._deadline = deadline
        base_url = _check_base_url(base_url, source)
        self._http = _build_client(base_url, auth(key, base_url), concurrency, deadline)

    async def stream(self, call: ApiRequest, deadline: float | None = None) -> StreamingResponse:
        """Send one request and return its response, whose body must be there within the same deadline.

        Raises Unreachable where nothing was sent, Timeout and Disconnected; `Incoming` does too.
        """
        line = _Deadline(self._source, call, self._key, deadline or self._deadline)
        kind = {} if call.content is None else {"Content-Type": "application/json"}
        request = self._http.build_request(
            call.method, call.path, params=list(call.params), content=call.content, headers=kind
        )
        response = await line.run(partial(self._http.send, request, stream=True))
        return StreamingResponse(call, response, line)

    async def send(self, call: ApiRequest) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request and read its whole body."""
        incoming = await self.stream(call)
        try:
            return incoming.status, incoming.headers, await incoming.read()
        finally:
            await incoming.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


class _Deadline:
    """One request's share of time, and the words for what befalls it."""

    def __init__(self, source: str, call: ApiRequest, key: Key, deadline: float) -> None:
        self.source = source
        self._call = call
        self._key = key
        self._deadline = deadline
        self._until = asyncio.get_running_loop().time() + deadline

    async def run(self, step: Callable[[], Awaitable[_T]]) -> _T:
        """Do a step of the request before its time is up; httpx's exceptions end here.

        Each of them holds the request, whose headers hold the key: ours are raised outside of every handler,
        so that none of them hangs on as `__context__`.
        """
        try:
            async with asyncio.timeout_at(self._until):
                return await step()
        except _UNSENT as error:
            told = sanitize(self._key.redact(str(error))) or "no connection could be made"
            failure: SourceError = ConnectFailed(f"{self._call}: {told}", self.source)
        except httpx.ReadTimeout:
            failure = RequestTimeout(f"{self._call}: nothing arrived for {_IDLE:g} s", self.source)
        except (TimeoutError, httpx.TimeoutException):
            failure = RequestTimeout(f"{self._call}: no answer in {self._deadline:g} s", self.source)
        except httpx.HTTPError as error:
            told = sanitize(self._key.redact(str(error))) or "the connection broke"
            failure = ConnectionLost(f"{self._call}: {told}", self.source)
        except asyncio.CancelledError as error:
            raise _strip_frames(error)  # noqa: B904 - the cancellation itself goes on, without httpx's frames
        raise failure


def _build_client(base_url: str, auth: HeaderAuth, concurrency: int, deadline: float) -> httpx.AsyncClient:
    """Open the pool.

    The environment's proxies are used for https, where they see ciphertext only; plain http goes straight to
    its host, which is this machine.
    """
    secure = base_url.startswith("https:")
    return httpx.AsyncClient(
        base_url=base_url,
        auth=auth,
        headers={
            "Accept": "application/json, application/x-ndjson",
            "Accept-Encoding": "gzip",
            "User-Agent": "floorline",
        },
        timeout=httpx.Timeout(connect=10.0, read=_IDLE, write=10.0, pool=deadline),
        limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        follow_redirects=False,
        trust_env=secure,
        # a plain http host shows no certificate, and loading the authorities takes a while
        verify=secure or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )


def _check_base_url(base_url: str, source: str) -> str:
    """Return `base_url` without a trailing slash, if a key may be sent there."""
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError("base_url must be an http or https address", source)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("base_url must not hold a user, a password, a query or a fragment", source)
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise ConfigError("base_url must be https: over http anyone on the way could read the key", source)
    return base_url.rstrip("/")


def _strip_frames(error: asyncio.CancelledError) -> asyncio.CancelledError:
    """Return `error` without the frames of httpx below, whose locals hold the headers."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)

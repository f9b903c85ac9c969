"""The HTTP transport: send a request, return its response. The only module that imports httpx."""

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, cast

from common.errors import (
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    RequestTimeout,
    SourceError,
)
from common.numbers import parse_count
from common.text import sanitize
from connectors.http.auth import HeaderAuth, Key
from connectors.http.compression import ACCEPTED
from connectors.http.environment import INVALID_BASE_URL, UNUSABLE_PROXY, environment_proxy
from connectors.http.first_contact import describe_connect_failure
from connectors.http.imports import hide_module

# The command line of httpx imports click, rich and pygments: that is half of the time that httpx takes.
# HTTP/2 takes a third of the time of httpcore; no request here uses it, and others can import it later.
with hide_module("httpx._main"), hide_module("h2"):
    import httpcore  # noqa: F401 - httpx imports it for the first transport
    import httpx

Params = Sequence[tuple[str, str]]
Headers = Mapping[str, str]
_T = TypeVar("_T")
_CONNECT_TIMEOUT: Final = 10.0
_READ_TIMEOUT: Final = 20.0
# A feed sends a comment about every 20 seconds: of a feed that misses two, the connection is dead.
_FEED_TIMEOUT: Final = 60.0
_HEADERS: Final[Headers] = {
    "Accept": "application/json, application/x-ndjson",
    "Accept-Encoding": ACCEPTED,
    "Connection": "keep-alive",
    "User-Agent": "floorline",
}
_HEADERS_OF_JSON: Final[Headers] = {**_HEADERS, "Content-Type": "application/json"}
# Compressed, an event would wait in the compressor of a proxy for the events after it.
_HEADERS_OF_FEED: Final[Headers] = {
    **_HEADERS,
    "Accept": "text/event-stream",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-store",
}
# The header of which each line says something more, also an equal one: the codings of a body.
_ADDITIVE: Final = frozenset({"content-encoding"})
# Failures before the first byte of a request is sent.
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request; its text is the route, such as "GET /v1/prices", which names it in errors.

    `content` is JSON, or None for a request without a body. `headers` are more than those of every request.
    `cost` is what the request takes of the limit per minute; a `metered` request counts in the month. The
    response to a `feed` is Server-Sent Events, for as long as the connection holds.
    """

    method: str
    path: str
    params: Params = field(default=(), repr=False)
    content: bytes | None = field(default=None, repr=False)
    headers: Headers = field(default_factory=dict, repr=False)
    cost: int = 1
    metered: bool = True
    feed: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class StreamingResponse:
    """A response whose body is still arriving; `headers` has lower-case names, and no value with the key.

    `content_length` is the announced size of the body, 0 where none is announced.
    """

    def __init__(
        self,
        request: ApiRequest,
        response: httpx.Response,
        deadline: "_Deadline",
        *,
        headers: Headers,
        on_close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.request = request
        self.status = response.status_code
        self.headers = headers
        self.content_length = parse_count(headers.get("content-length", "")) or 0
        self.source = deadline.source
        self._response = response
        self._deadline = deadline
        self._on_close = on_close
        self._chunks: AsyncGenerator[bytes] = response.aiter_raw()  # type: ignore[assignment]

    async def read_chunk(self) -> bytes:
        """Return the bytes that have arrived since the last call, not decompressed; empty at the end."""
        return await self._deadline.run(partial(anext, self._chunks, b""))

    async def aclose(self) -> None:
        """Close the response; an unread rest closes the connection."""
        try:
            await self._response.aclose()
        finally:
            if self._on_close is not None:
                await self._on_close()


class Transport:
    """A pool of `concurrency` connections to one source; a response must arrive within `deadline` seconds.

    `base_url` is as `check_base_url` returns it. Raises ConfigError for an unusable proxy or certificates.
    """

    def __init__(
        self, source: str, base_url: str, *, auth: HeaderAuth, key: Key, concurrency: int, deadline: float
    ) -> None:
        self._source = source
        self._key = key
        self._deadline = deadline
        self._base_url = base_url.rstrip("/")
        self._auth = auth
        timeout = httpx.Timeout(connect=_CONNECT_TIMEOUT, read=_READ_TIMEOUT, write=10.0, pool=deadline)
        self._timeouts = timeout.as_dict()
        self._pool = _build_pool(base_url, source, concurrency)

    async def stream(self, request: ApiRequest, deadline: float | None = None) -> StreamingResponse:
        """Send a request and return its response, whose body must arrive within the same deadline.

        Raises ConnectFailed where nothing was sent, RequestTimeout and ConnectionLost; so does the response.
        """
        timer = _Deadline(self._source, request, self._key, seconds=deadline or self._deadline)
        headers = _HEADERS if request.content is None else _HEADERS_OF_JSON
        prepared = self._prepare(request, {**headers, **request.headers}, self._timeouts)
        response = await timer.run(partial(self._pool.handle_async_request, prepared))
        return StreamingResponse(request, response, timer, headers=self._read_headers(response))

    async def open_feed(self, request: ApiRequest) -> StreamingResponse:
        """Send the request for a feed on a connection of its own; return the response, which has no deadline.

        The other requests keep all their connections. Raises as `stream`; the response raises RequestTimeout
        where nothing arrives for so long that several comments of the source are missing.
        """
        pool = _build_pool(self._base_url, self._source, 1)
        prepared = self._prepare(request, _HEADERS_OF_FEED, {**self._timeouts, "read": _FEED_TIMEOUT})
        timer = _Deadline(self._source, request, self._key, seconds=self._deadline)
        try:
            response = await timer.run(partial(pool.handle_async_request, prepared))
        except BaseException:
            await pool.aclose()
            raise
        endless = _Deadline(self._source, request, self._key, seconds=None)
        return StreamingResponse(
            request, response, endless, headers=self._read_headers(response), on_close=pool.aclose
        )

    def _prepare(
        self, request: ApiRequest, headers: Headers, timeouts: Mapping[str, float | None]
    ) -> httpx.Request:
        """Return the request with the key."""
        return self._auth(
            httpx.Request(
                request.method,
                self._url(request),
                content=request.content,
                headers=headers,
                extensions={"timeout": timeouts},
            )
        )

    def _url(self, request: ApiRequest) -> str:
        """Return the whole URL: httpx would parse a path, its URL and its parameters one after the other."""
        query = httpx.QueryParams(list(request.params))
        return f"{self._base_url}/{request.path.lstrip('/')}" + (f"?{query}" if request.params else "")

    def _read_headers(self, response: httpx.Response) -> dict[str, str]:
        """Return the headers without the key; a line that a proxy repeats counts once."""
        lines: dict[str, list[str]] = {}
        for name, value in response.headers.multi_items():
            values = lines.setdefault(name, [])
            if value not in values or name in _ADDITIVE:
                values.append(value)
        return {name: self._key.redact(", ".join(values)) for name, values in lines.items()}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


class _Deadline:
    """The time limit of one request, None for a feed, and the translation of httpx's exceptions."""

    def __init__(self, source: str, request: ApiRequest, key: Key, *, seconds: float | None) -> None:
        self.source = source
        self._request = request
        self._key = key
        self._seconds = seconds
        self._ends_at = None if seconds is None else asyncio.get_running_loop().time() + seconds

    async def run(self, step: Callable[[], Awaitable[_T]]) -> _T:
        """Run a step of the request before the deadline; raise SourceErrors in place of httpx's exceptions.

        An exception of httpx holds the request, whose headers hold the key. The errors are raised outside of
        every handler, so that none of them keeps such an exception as its `__context__`.
        """
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await step()
        except _UNSENT as error:
            failure: SourceError = ConnectFailed(f"{self._request}: {self._describe(error)}", self.source)
        except httpx.ReadTimeout:
            silence = _FEED_TIMEOUT if self._request.feed else _READ_TIMEOUT
            failure = RequestTimeout(f"{self._request}: nothing arrived for {silence:g} s", self.source)
        except (TimeoutError, httpx.TimeoutException):
            failure = RequestTimeout(f"{self._request}: no answer in {self._seconds:g} s", self.source)
        except httpx.HTTPError:
            reason = "the connection broke before the response was complete"
            failure = ConnectionLost(f"{self._request}: {reason}", self.source)
        except asyncio.CancelledError as error:
            raise _strip_frames(error)  # noqa: B904 - the same cancellation, without httpx's frames
        raise failure

    def _describe(self, error: httpx.HTTPError) -> str:
        """Return why nothing was sent."""
        if isinstance(error, httpx.ProxyError):
            return f"the proxy refuses: {sanitize(self._key.redact(str(error)))}"
        if isinstance(error, httpx.ConnectTimeout):
            return f"no connection in {_CONNECT_TIMEOUT:g} s"
        return describe_connect_failure(error) or "no connection could be made"


class _ConnectionPool(httpx.AsyncBaseTransport):
    """Connections that each serve one request at a time; the one that was free last serves the next request.

    Each connection is a pool of httpx with that one connection: for each request, the pool asks all of its
    connections whether the server has closed them, which takes longer than the request where there are many.
    """

    def __init__(self, connections: Sequence[httpx.AsyncHTTPTransport]) -> None:
        self._connections = connections
        self._free = asyncio.LifoQueue[httpx.AsyncHTTPTransport]()
        for connection in connections:
            self._free.put_nowait(connection)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on a free connection, or on the first one to be; closing the response frees it."""
        connection = await self._free.get()
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            self._free.put_nowait(connection)
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        response.stream = _PooledStream(body, partial(self._free.put_nowait, connection))
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            await connection.aclose()


class _PooledStream(httpx.AsyncByteStream):
    """The body of a response, which closes it once; `release` is called then."""

    def __init__(self, body: httpx.AsyncByteStream, release: Callable[[], None]) -> None:
        self._body = body
        self._release = release

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            self._release()


def _build_pool(base_url: str, source: str, concurrency: int) -> _ConnectionPool:
    """Create the connection pool. Raises ConfigError for a proxy or certificates that cannot be used.

    Transports alone, without a client of httpx, follow no redirect and keep no cookie: no API sets one, and
    that of a proxy or an attacker would be sent with the key. They also take less time for each request.

    The environment's proxies serve https only, where they see ciphertext. Plain http goes straight to its
    host, which is this machine.
    """
    try:
        _ = httpx.URL(base_url).host
    except (httpx.InvalidURL, ValueError):  # such as a part "xn--" that is no name
        raise ConfigError(INVALID_BASE_URL, source) from None
    secure = base_url.startswith("https:")
    proxy = environment_proxy(base_url, source) if secure else None
    # Plain http needs no certificate authorities, which take long to load.
    verify = _load_authorities(source) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    try:
        connections = [
            httpx.AsyncHTTPTransport(limits=limits, proxy=proxy, trust_env=False, verify=verify)
            for _ in range(concurrency)
        ]
    except ImportError:
        raise ConfigError(f"{UNUSABLE_PROXY}: SOCKS needs `pip install httpx[socks]`", source) from None
    except (httpx.InvalidURL, ValueError):
        raise ConfigError(f"{UNUSABLE_PROXY}: give http://HOST:PORT", source) from None
    return _ConnectionPool(connections)


def _load_authorities(source: str) -> ssl.SSLContext:
    """Return the certificate authorities of the environment, or those that httpx brings."""
    folder = os.environ.get("SSL_CERT_DIR")
    if folder and not Path(folder).is_dir():
        raise ConfigError(f"SSL_CERT_DIR names no folder: {folder}", source)
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # ssl.SSLError, too
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        file = os.environ.get("SSL_CERT_FILE", "the certificates")
        raise ConfigError(f"SSL_CERT_FILE cannot be used: {file}: {reason}", source) from None


def _strip_frames(error: asyncio.CancelledError) -> asyncio.CancelledError:
    """Return `error` without the frames of httpx, whose locals hold the headers."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)

"""The HTTP transport: send a request, return its response. The only module that imports httpx."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import CookieJar
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx

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

Params = Sequence[tuple[str, str]]
Headers = Mapping[str, str]
_T = TypeVar("_T")
_READ_TIMEOUT: Final = 20.0
# Failures before the first byte of a request is sent.
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request; its text is the route, such as "GET /v1/prices", which names it in errors.

    `content` is JSON, or None for a request without a body. `cost` is what the request takes of the limit
    per minute; a `metered` request counts in the month.
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
    """A response whose body is still arriving; `headers` has lower-case names, and no value with the key.

    `content_length` is the announced size of the body, 0 where none is announced.
    """

    def __init__(
        self, request: ApiRequest, response: httpx.Response, deadline: "_Deadline", *, headers: Headers
    ) -> None:
        self.request = request
        self.status = response.status_code
        self.headers = headers
        self.content_length = parse_count(headers.get("content-length", "")) or 0
        self.source = deadline.source
        self._response = response
        self._deadline = deadline
        self._chunks: AsyncGenerator[bytes] = response.aiter_raw()  # type: ignore[assignment]

    async def read_chunk(self) -> bytes:
        """Return the bytes that have arrived since the last call, not decompressed; empty at the end."""
        return await self._deadline.run(partial(anext, self._chunks, b""))

    async def aclose(self) -> None:
        """Close the response; an unread rest closes the connection."""
        await self._response.aclose()


class Transport:
    """A pool of `concurrency` connections to one source; a response must arrive within `deadline` seconds.

    `base_url` is one that `check_base_url` accepts.
    """

    def __init__(
        self, source: str, base_url: str, *, auth: HeaderAuth, key: Key, concurrency: int, deadline: float
    ) -> None:
        self._source = source
        self._key = key
        self._deadline = deadline
        self._http = _build_client(base_url, auth, concurrency=concurrency, deadline=deadline)

    async def stream(self, request: ApiRequest, deadline: float | None = None) -> StreamingResponse:
        """Send a request and return its response, whose body must arrive within the same deadline.

        Raises ConnectFailed where nothing was sent, RequestTimeout and ConnectionLost; so does the response.
        """
        timer = _Deadline(self._source, request, self._key, seconds=deadline or self._deadline)
        headers = {} if request.content is None else {"Content-Type": "application/json"}
        prepared = self._http.build_request(
            request.method,
            request.path,
            params=list(request.params),
            content=request.content,
            headers=headers,
        )
        response = await timer.run(partial(self._http.send, prepared, stream=True))
        headers = {name: self._key.redact(value) for name, value in response.headers.items()}
        return StreamingResponse(request, response, timer, headers=headers)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


class _Deadline:
    """The time limit of one request, and the translation of httpx's exceptions."""

    def __init__(self, source: str, request: ApiRequest, key: Key, *, seconds: float) -> None:
        self.source = source
        self._request = request
        self._key = key
        self._seconds = seconds
        self._ends_at = asyncio.get_running_loop().time() + seconds

    async def run(self, step: Callable[[], Awaitable[_T]]) -> _T:
        """Run a step of the request before the deadline; raise SourceErrors in place of httpx's exceptions.

        An exception of httpx holds the request, whose headers hold the key. The errors are raised outside of
        every handler, so that none of them keeps such an exception as its `__context__`.
        """
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await step()
        except _UNSENT as error:
            reason = self._describe(error) or "no connection could be made"
            failure: SourceError = ConnectFailed(f"{self._request}: {reason}", self.source)
        except httpx.ReadTimeout:
            failure = RequestTimeout(f"{self._request}: nothing arrived for {_READ_TIMEOUT:g} s", self.source)
        except (TimeoutError, httpx.TimeoutException):
            failure = RequestTimeout(f"{self._request}: no answer in {self._seconds:g} s", self.source)
        except httpx.HTTPError as error:
            reason = self._describe(error) or "the connection broke"
            failure = ConnectionLost(f"{self._request}: {reason}", self.source)
        except asyncio.CancelledError as error:
            raise _strip_frames(error)  # noqa: B904 - the same cancellation, without httpx's frames
        raise failure

    def _describe(self, error: httpx.HTTPError) -> str:
        return sanitize(self._key.redact(str(error)))


class _NoCookies(CookieJar):
    """Keeps no cookie: no API sets one, and that of a proxy or an attacker would be sent with the key."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Ignore the cookies of a response."""


def _build_client(base_url: str, auth: HeaderAuth, *, concurrency: int, deadline: float) -> httpx.AsyncClient:
    """Create the connection pool.

    The environment's proxies serve https only, where they see ciphertext. Plain http goes straight to its
    host, which is this machine.
    """
    secure = base_url.startswith("https:")
    return httpx.AsyncClient(
        base_url=base_url,
        auth=auth,
        headers={
            "Accept": "application/json, application/x-ndjson",
            "Accept-Encoding": ACCEPTED,
            "User-Agent": "floorline",
        },
        timeout=httpx.Timeout(connect=10.0, read=_READ_TIMEOUT, write=10.0, pool=deadline),
        limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        cookies=_NoCookies(),
        follow_redirects=False,
        trust_env=secure,
        # Plain http needs no certificate authorities, which take long to load.
        verify=secure or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )


def check_base_url(base_url: str, source: str) -> str:
    """Return `base_url` without a trailing slash. Raises ConfigError where the key must not be sent there."""
    try:
        parts = urlsplit(base_url)
        host, port = httpx.URL(base_url).host, parts.port
    except (ValueError, httpx.InvalidURL):  # an unclosed bracket, a blank, a port that is no number
        raise ConfigError("base_url is no address: check its host and its port", source) from None
    unwritable = " " in base_url or not base_url.isprintable()
    if parts.scheme not in {"http", "https"} or not host or port == 0 or unwritable:
        raise ConfigError("base_url must be an http or https address", source)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("base_url must not hold a user, a password, a query or a fragment", source)
    if parts.scheme == "http" and host not in {"127.0.0.1", "::1", "localhost"}:
        raise ConfigError("base_url must be https: plain http would expose the key on the network", source)
    return base_url.rstrip("/")


def _strip_frames(error: asyncio.CancelledError) -> asyncio.CancelledError:
    """Return `error` without the frames of httpx, whose locals hold the headers."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)

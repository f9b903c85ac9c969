"""One authenticated, paced and bounded way to ask an API for JSON; the only module that knows httpx."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, Generic, TypeVar
from urllib.parse import urlsplit

import httpx

from connectors.auth import BearerAuth, Key
from connectors.classify import classify, moment_of
from connectors.clock import Clock
from connectors.errors import (
    AuthRejected,
    ConfigError,
    ContractBroken,
    Disconnected,
    FloorlineError,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
    Timeout,
    Unavailable,
    Unreachable,
    plain,
)
from connectors.gate import Gate
from connectors.inflate import LARGEST, Inflate, inflated
from connectors.retry import RetryPolicy
from connectors.shielded import to_the_end
from connectors.throttle import Throttle

Params = Sequence[tuple[str, str]]
Classify = Callable[[str, int, bytes, Mapping[str, str], str], FloorlineError | None]

_T = TypeVar("_T")
Read = Callable[[Inflate, datetime], Awaitable[_T]]

# Failures before the first byte of a request has left.
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
_KEPT: Final = ("date", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-tier", "x-request-id")


@dataclass(frozen=True, slots=True)
class Answer(Generic[_T]):
    """A good response: its status, the headers worth keeping (lower-case), its body and the server's moment.

    `moment` is the `Date` header (UTC, whole seconds), or our own clock where the server sent none.
    """

    status: int
    headers: Mapping[str, str]
    body: _T
    moment: datetime


@dataclass(frozen=True, slots=True)
class _Call:
    """What is asked for; as text "GET /v1/prices", by which answers and errors are told apart."""

    method: str
    path: str
    params: Params = field(default=(), repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Client:
    """Asks one source; at most `concurrency` requests at once, each within `deadline` seconds.

    `requests` counts what was sent, retries included. `monthly_quota` is set by whoever learns it;
    `quota_remaining` follows from the headers that speak of the month.
    """

    def __init__(  # noqa: PLR0913 - every one of them is a decision of the caller's
        self,
        source: str,
        base_url: str,
        key: Key,
        clock: Clock,
        *,
        concurrency: int = 8,
        deadline: float = 30.0,
        retry: RetryPolicy | None = None,
        throttle: Throttle | None = None,
        classify: Classify = classify,
    ) -> None:
        self.source = source
        self.requests = 0
        self.monthly_quota: int | None = None
        self.quota_remaining: int | None = None
        self.throttle = throttle or Throttle(None, clock)
        self._key = key
        self._clock = clock
        self._deadline = deadline
        self._retry = retry or RetryPolicy()
        self._classify = classify
        self._turns = asyncio.Semaphore(concurrency)
        self._room = asyncio.Semaphore(2 * concurrency)  # answers that are not read yet stay few
        self._gate = Gate()
        self._http = _connect(_checked(base_url, source), key, concurrency, deadline)

    async def get(self, route: str, params: Params = ()) -> Answer[bytes]:
        """Return the answer to `GET route` (a path such as "/v1/prices"), after as many tries as it takes.

        Raises a FloorlineError. The first AuthRejected or QuotaExhausted ends every other request, those that
        wait included, with the same error.
        """
        return await self.read(route, params, _inflate_here)

    async def read(self, route: str, params: Params, read: Read[_T]) -> Answer[_T]:
        """Do as `get` does, and let `read` make something of the body, which it inflates where it likes.

        `read` also gets the server's moment, and may have the body inflated in another process. It may take
        longer than the body took to arrive: the next request is under way meanwhile. It is not interrupted:
        what has arrived was paid for. A Transient that it raises is worth another try, as any other.
        """
        call = _Call("GET", route, params)
        async with self._gate.passage():
            return await self._retry.run(lambda: self._attempt(call, read), self._clock)

    async def post(self, route: str) -> Answer[bytes]:
        """Return the answer to `POST route` without a body: one request, whatever happens.

        Raises OutcomeUnknown where it may have taken effect; after any other FloorlineError it has not. No
        error shows anything of an answer that the route gives to a success.
        """
        call = _Call("POST", route)
        try:
            async with self._gate.passage():
                return await self._attempt(call, _inflate_here)
        except FloorlineError as error:
            failure = _told_of_one_try(call, error)
        raise failure  # outside of the handler: the frames below hold the answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _attempt(self, call: _Call, read: Read[_T]) -> Answer[_T]:
        async with self._room:
            async with self._turns, self.throttle.slot():
                status, headers, raw = await self._exchange(call)
                # Before the turn passes to the next request, which may then no longer be sent.
                self._judge(call, status, headers, raw)
            moment = moment_of(headers.get("date")) or self._clock.now()
            content = await to_the_end(read(self._inflate(raw, headers, call), moment))
        kept = {name: headers[name] for name in _KEPT if name in headers}
        return Answer(status, kept, content, moment)

    def _judge(self, call: _Call, status: int, headers: Mapping[str, str], raw: bytes) -> None:
        """Raise what is wrong with a response, and let the other requests know what it means for them."""
        self._note_quota(headers)
        told = b"" if status < 300 else self._redacted(self._inflate(raw, headers, call)())
        error = self._classify(str(call), status, told, headers, self.source)
        if isinstance(error, AuthRejected | QuotaExhausted):
            self._gate.shut(error)
        if isinstance(error, RateLimited):
            self.throttle.hold(error.retry_after or 1.0)
        if error is not None:
            raise error
        _must_be_json(headers, self.source, status)

    async def _exchange(self, call: _Call) -> tuple[int, httpx.Headers, bytes]:
        """Send one request and read its whole body; httpx's exceptions end here.

        Each of them holds the request, whose headers hold the key: ours are raised outside of every handler,
        so that none of them hangs on as `__context__`.
        """
        try:
            async with asyncio.timeout(self._deadline):
                return await self._send(call)
        except _UNSENT as error:
            told = plain(self._key.redact(str(error))) or "no connection could be made"
            failure: FloorlineError = Unreachable(f"{call}: {told}", self.source)
        except (TimeoutError, httpx.TimeoutException):
            failure = Timeout(f"{call}: no answer in {self._deadline:g} s", self.source)
        except httpx.HTTPError as error:
            told = plain(self._key.redact(str(error))) or "the connection broke"
            failure = Disconnected(f"{call}: {told}", self.source)
        except asyncio.CancelledError as error:
            raise _bare(error)  # noqa: B904 - the cancellation itself goes on, without httpx's frames
        raise failure

    async def _send(self, call: _Call) -> tuple[int, httpx.Headers, bytes]:
        request = self._http.build_request(call.method, call.path, params=list(call.params))
        self.requests += 1
        response = await self._http.send(request, stream=True)
        try:
            raw = bytearray()
            async for chunk in response.aiter_raw():
                raw += chunk
                if len(raw) > LARGEST:
                    raise ContractBroken(f"{call}: an answer without end", self.source)
        finally:
            await response.aclose()
        return response.status_code, response.headers, bytes(raw)

    def _inflate(self, raw: bytes, headers: Mapping[str, str], call: _Call) -> Inflate:
        return partial(inflated, raw, headers.get("content-encoding", ""), str(call), self.source)

    def _redacted(self, body: bytes) -> bytes:
        """Return the body of a failure without the key, should the server have sent it back."""
        return self._key.redact(body[:65_536].decode(errors="replace")).encode()

    def _note_quota(self, headers: Mapping[str, str]) -> None:
        """Believe `Remaining` only where `Limit` is the month's: on a burst both describe the minute."""
        limit, remaining = headers.get("x-ratelimit-limit", ""), headers.get("x-ratelimit-remaining", "")
        if remaining.isdecimal() and self.monthly_quota is not None and limit == str(self.monthly_quota):
            self.quota_remaining = int(remaining)


async def _inflate_here(inflate: Inflate, _moment: datetime) -> bytes:
    return inflate()


def _connect(base_url: str, key: Key, concurrency: int, deadline: float) -> httpx.AsyncClient:
    """Open the pool.

    The environment's proxies are used for https, where they see ciphertext only; plain http goes straight to
    its host, which is this machine.
    """
    secure = base_url.startswith("https:")
    return httpx.AsyncClient(
        base_url=base_url,
        auth=BearerAuth(key, base_url),
        headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "floorline"},
        timeout=httpx.Timeout(connect=10.0, read=20.0, write=10.0, pool=deadline),
        limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        follow_redirects=False,
        trust_env=secure,
        # a plain http host shows no certificate, and loading the authorities takes a while
        verify=secure or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )


def _checked(base_url: str, source: str) -> str:
    """Return `base_url` without a trailing slash, if a key may be sent there."""
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError("base_url must be an http or https address", source)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("base_url must not hold a user, a password, a query or a fragment", source)
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise ConfigError("base_url must be https: over http anyone on the way could read the key", source)
    return base_url.rstrip("/")


def _must_be_json(headers: Mapping[str, str], source: str, status: int) -> None:
    """Refuse a page that is not JSON.

    It comes from something before the API, a cache that hiccups or a login page. The first passes and the
    second costs no quota, so both are tried again.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        told = plain(kind, 60) or "no content type"
        raise Unavailable(f"{told} instead of JSON: something answers in the API's place", source, "", status)


def _told_of_one_try(call: _Call, error: FloorlineError) -> FloorlineError:
    """Return what a failure means for a request that is sent once; without the frames that it came through.

    An answer from 400 to 499 is a refusal, and what could not connect was never sent. Anything else may have
    come from before the API, or after the deed.
    """
    refused = error.status is not None and 400 <= error.status < 500 and error.status != 408
    if refused or isinstance(error, Unreachable | ConfigError):
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    return OutcomeUnknown(f"{call}: {error.detail}", error.source, error.code, error.status, error.request_id)


def _bare(error: asyncio.CancelledError) -> asyncio.CancelledError:
    """Return `error` without the frames of httpx below, whose locals hold the headers."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)

"""One authenticated, paced and bounded way to ask an API for JSON."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Generic, TypeVar

from common.clock import Clock
from common.concurrency import run_to_completion
from common.errors import (
    AuthRejected,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    OutcomeUnknown,
    PaginationError,
    QuotaExhausted,
    RateLimited,
    RequestTimeout,
    SourceError,
    StreamsExhausted,
    Unavailable,
)
from common.text import sanitize
from connectors.cs2cap.errors import classify
from connectors.http.auth import BearerAuth, HeaderAuth, Key
from connectors.http.circuit_breaker import CircuitBreaker
from connectors.http.compression import Decompress, decompress
from connectors.http.headers import parse_http_date, parse_quota
from connectors.http.retry import RetryPolicy
from connectors.http.transport import ApiRequest, Params, StreamingResponse, Transport
from connectors.ratelimit.admission import Permit
from connectors.ratelimit.limiter import RateLimiter

ErrorClassifier = Callable[[str, int, bytes, Mapping[str, str], str], SourceError | None]
HeaderHook = Callable[[Mapping[str, str]], None]
_T = TypeVar("_T")
BodyReader = Callable[[Decompress, datetime], Awaitable[_T]]
_JSON: Final = frozenset({"application/json", "application/x-ndjson", "application/ndjson"})
_KEPT: Final = ("date", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-tier", "x-request-id")


@dataclass(frozen=True, slots=True)
class ApiResponse(Generic[_T]):
    """A good response: its status, the headers worth keeping (lower-case), its body and the server's moment.

    `moment` is the `Date` header (UTC, whole seconds), or our own clock where the server sent none.
    """

    status: int
    headers: Mapping[str, str]
    body: _T
    moment: datetime


class Client:
    """Asks one source; at most `concurrency` requests at once, each within `deadline` seconds.

    `requests` counts what was sent, retries included; `throttle` is the budget that they keep within;
    `request_id` is the source's own id of the last answer, where it gives such. `listen` hears the headers of
    every answer as it arrives.
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
        throttle: RateLimiter | None = None,
        classify: ErrorClassifier = classify,
        auth: type[HeaderAuth] = BearerAuth,
        listen: HeaderHook = lambda _headers: None,
    ) -> None:
        self.source = source
        self.requests = 0
        self.request_id = ""
        self.throttle = throttle or RateLimiter(None, clock)
        self._key = key
        self._clock = clock
        self._retry = retry or RetryPolicy()
        self._classify = classify
        self._listen = listen
        self._turns = asyncio.Semaphore(concurrency)
        self._room = asyncio.Semaphore(2 * concurrency)  # answers that are not read yet stay few
        self._gate = CircuitBreaker()
        self._wire = Transport(source, base_url, key, concurrency, deadline, auth)

    @property
    def quota_remaining(self) -> int | None:
        """Requests left in the month, as far as the source has told of it."""
        return self.throttle.month_usage().left

    async def get(
        self, route: str, params: Params = (), *, cost: int = 1, metered: bool = True
    ) -> ApiResponse[bytes]:
        """Return the answer to `GET route` (a path such as "/v1/prices"), after as many tries as it takes.

        Raises a SourceError. The first AuthRejected or QuotaExhausted (of the month) ends every other
        request, those that wait included, with the same error.
        """
        return await self.read(route, params, _inflate_here, cost=cost, metered=metered)

    async def read(
        self,
        route: str,
        params: Params,
        read: BodyReader[_T],
        *,
        cost: int = 1,
        metered: bool = True,
        retry: RetryPolicy | None = None,
    ) -> ApiResponse[_T]:
        """Do as `get` does, and let `read` make something of the body, which it inflates where it likes.

        `read` also gets the server's moment, and may have the body inflated in another process. It may take
        longer than the body took to arrive: the next request is under way meanwhile. It is not interrupted:
        what has arrived was paid for. A Transient that it raises is worth another try, as any other.
        """
        return await self._send_with_retry(
            ApiRequest("GET", route, params, cost=cost, metered=metered), read, retry
        )

    async def query(self, route: str, content: bytes, read: BodyReader[_T]) -> ApiResponse[_T]:
        """Do as `read` does with `POST route`, which changes nothing: `content` (JSON) says what is asked."""
        return await self._send_with_retry(ApiRequest("POST", route, content=content), read)

    @asynccontextmanager
    async def stream(self, route: str, params: Params, deadline: float) -> AsyncIterator[StreamingResponse]:
        """Begin `POST route`, whose answer is to be read as it arrives, all of it within `deadline` seconds.

        It is begun again only where the source has refused it or was not reached: a start counts. Raises
        WalkBroken where nobody knows, besides what `get` does.
        """
        call = ApiRequest("POST", route, params)
        async with self._gate.guard(), self._turns:
            incoming = await self._retry.run(lambda: self._open_stream(call, deadline), self._clock)
            try:
                yield incoming
            finally:
                await incoming.aclose()

    async def post(self, route: str) -> ApiResponse[bytes]:
        """Return the answer to `POST route` without a body: one request outside the month, whatever happens.

        Raises OutcomeUnknown where it may have taken effect; after any other SourceError it has not. No
        error shows anything of an answer that the route gives to a success.
        """
        call = ApiRequest("POST", route, metered=False)
        try:
            async with self._gate.guard():
                return await self._attempt(call, _inflate_here)
        except SourceError as error:
            failure = _as_outcome_unknown(call, error)
        raise failure  # outside of the handler: the frames below hold the answer

    def server_time(self, headers: Mapping[str, str]) -> datetime:
        """Return the server's moment as the headers of an answer tell it, or our own clock's."""
        return parse_http_date(headers.get("date")) or self._clock.now()

    async def aclose(self) -> None:
        """Close the connections, and let go of the budget."""
        await self._wire.aclose()
        self.throttle.close()

    async def _send_with_retry(
        self, call: ApiRequest, read: BodyReader[_T], retry: RetryPolicy | None = None
    ) -> ApiResponse[_T]:
        async with self._gate.guard():
            return await (retry or self._retry).run(lambda: self._attempt(call, read), self._clock)

    async def _open_stream(self, call: ApiRequest, deadline: float) -> StreamingResponse:
        """Count a start and send it; raise what came instead of a stream."""
        self.throttle.claim_stream_start(str(call))
        try:
            async with self.throttle.acquire() as slot:
                self.requests += 1
                return await self._check_stream_response(call, slot, await self._wire.stream(call, deadline))
        except ConnectFailed as error:
            self.throttle.observe_error(str(call), error)
            raise
        except (ConnectionLost, RequestTimeout) as error:
            if error.status is None:
                raise PaginationError(
                    f"{error.detail}; whether it was begun is not known", self.source
                ) from None
            raise

    async def _check_stream_response(
        self, call: ApiRequest, slot: Permit, incoming: StreamingResponse
    ) -> StreamingResponse:
        try:
            raw = b"" if incoming.status < 300 else await incoming.read()
            self._raise_for_error(call, slot, incoming.status, incoming.headers, raw)
        except BaseException:
            await incoming.aclose()
            raise
        return incoming

    async def _attempt(self, call: ApiRequest, read: BodyReader[_T]) -> ApiResponse[_T]:
        async with self._room:
            async with self._turns, self.throttle.acquire(call.cost, metered=call.metered) as slot:
                self.requests += 1
                status, headers, raw = await self._wire.send(call)
                # Before the turn passes to the next request, which may then no longer be sent.
                self._raise_for_error(call, slot, status, headers, raw)
            moment = self.server_time(headers)
            content = await run_to_completion(read(self._decompress(raw, headers, call), moment))
        kept = {name: headers[name] for name in _KEPT if name in headers}
        return ApiResponse(status, kept, content, moment)

    def _raise_for_error(
        self, call: ApiRequest, slot: Permit, status: int, headers: Mapping[str, str], raw: bytes
    ) -> None:
        """Raise what is wrong with a response, and let the other requests know what it means for them."""
        self._listen(headers)
        told = b"" if status < 300 else self._redact(self._decompress(raw, headers, call)())
        error = self._classify(str(call), status, told, headers, self.source)
        error = error or _unexpected_content_type(headers, self.source, status)
        self.request_id = (error and error.request_id) or sanitize(
            headers.get("x-request-id", self.request_id)
        )
        self.throttle.observe_headers(str(call), slot, parse_quota(headers), error)
        if isinstance(error, AuthRejected | QuotaExhausted) and not isinstance(error, StreamsExhausted):
            self._gate.trip(error)
        if isinstance(error, RateLimited):
            self.throttle.pause(error.retry_after or 1.0)
        if error is not None:
            self.throttle.observe_error(str(call), error)
            raise error

    def _decompress(self, raw: bytes, headers: Mapping[str, str], call: ApiRequest) -> Decompress:
        return partial(decompress, raw, headers.get("content-encoding", ""), str(call), self.source)

    def _redact(self, body: bytes) -> bytes:
        """Return the body of a failure without the key, should the server have sent it back."""
        return self._key.redact(body[:65_536].decode(errors="replace")).encode()


async def _inflate_here(inflate: Decompress, _moment: datetime) -> bytes:
    return inflate()


def _unexpected_content_type(headers: Mapping[str, str], source: str, status: int) -> Unavailable | None:
    """Say what is wrong with a page that is not JSON.

    It comes from something before the API, a cache that hiccups or a login page. The first passes and the
    second costs no quota, so both are tried again.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _JSON or kind.endswith("+json"):
        return None
    told = sanitize(kind, 60) or "no content type"
    return Unavailable(f"{told} instead of JSON: something answers in the API's place", source, "", status)


def _as_outcome_unknown(call: ApiRequest, error: SourceError) -> SourceError:
    """Return what a failure means for a request that is sent once; without the frames that it came through.

    An answer from 400 to 499 is a refusal, and what could not connect was never sent. Anything else may have
    come from before the API, or after the deed.
    """
    refused = error.status is not None and 400 <= error.status < 500 and error.status != 408
    if refused or isinstance(error, ConnectFailed | ConfigError):
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    return OutcomeUnknown(f"{call}: {error.detail}", error.source, error.code, error.status, error.request_id)

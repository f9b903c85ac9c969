"""The HTTP client of one price API: authenticated, rate-limited, retried and bounded."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from msgspec import Struct

from common.clock import Clock
from common.concurrency import run_to_completion
from common.errors import ConnectFailed, ConnectionLost, PaginationError, RequestTimeout, SourceError
from common.text import sanitize
from connectors.http.auth import HeaderAuth, Key
from connectors.http.bodies import BodyBudget, read_error_body
from connectors.http.encoded_body import Decompress, EncodedBody
from connectors.http.environment import check_base_url
from connectors.http.errors import ErrorBody, as_outcome_unknown, check_content_type
from connectors.http.first_contact import explain
from connectors.http.headers import find_odd_quota, parse_quota, with_date
from connectors.http.retry import RetryPolicy
from connectors.http.source_clock import SourceClock
from connectors.http.source_guard import SourceGuard
from connectors.http.transport import (
    ApiRequest,
    Headers,
    Params,
    StreamingResponse,
    Transport,
)
from connectors.ratelimit.admission import Permit
from connectors.ratelimit.limiter import RateLimiter

HeaderHook = Callable[[Mapping[str, str]], None]
_T = TypeVar("_T")
# Gets the decompression of the body, and the server's time.
BodyReader = Callable[[Decompress, datetime], Awaitable[_T]]


class ApiResponse(Struct, Generic[_T], frozen=True):
    """A successful response: status, headers (lower-case names), body and the server's time.

    `server_time` is the `Date` header (UTC, whole seconds), at most MAX_CLOCK_SKEW ahead of the local clock,
    or the local clock's time without that header.
    """

    status: int
    headers: Mapping[str, str]
    body: _T
    server_time: datetime


class Client(ABC):
    """Send requests to one source: at most `concurrency` at once, each within `deadline` seconds.

    A subclass speaks the dialect of one API: `auth` puts the key into a header, `classify` turns a response
    into an error. `requests` counts the requests sent, retries included; `request_id` is the API's own id of
    the last response, where the API gives one; `source_clock` is the source's, compared with ours.
    `odd_quota` is the first quota header that made no sense. `on_headers` gets the headers of every response;
    `mask` hides the key in what is kept of a body.
    """

    auth: ClassVar[type[HeaderAuth]]

    def __init__(  # noqa: PLR0913 - each parameter is a decision of the caller
        self,
        source: str,
        base_url: str,
        key: Key,
        clock: Clock,
        *,
        concurrency: int = 8,
        deadline: float = 30.0,
        retry: RetryPolicy | None = None,
        rate_limiter: RateLimiter | None = None,
        on_headers: HeaderHook = lambda _headers: None,
    ) -> None:
        self.source = source
        self.requests = 0
        self.request_id = ""
        self.odd_quota: str | None = None
        self.source_clock = SourceClock(clock)
        self.rate_limiter = rate_limiter or RateLimiter(None, clock)
        self.mask = key.mask
        self._clock = clock
        self._retry = retry or RetryPolicy()
        self._on_headers = on_headers
        self._connections = asyncio.Semaphore(concurrency)
        # Bounds the responses that have arrived and are not read yet.
        self._responses = asyncio.Semaphore(2 * concurrency)
        self._bodies = BodyBudget()
        self._guard = SourceGuard(self.rate_limiter, clock)
        self._has_answered = False
        self._base_url = base_url = check_base_url(base_url, source)
        self._transport = Transport(
            source,
            base_url,
            auth=self.auth(key, base_url),
            key=key,
            concurrency=concurrency,
            deadline=deadline,
        )

    @abstractmethod
    def classify(
        self, route: str, status: int, *, body: ErrorBody, headers: Mapping[str, str]
    ) -> SourceError | None:
        """Return the error that a response means, or None for a success.

        `route` is the method and the path, such as "GET /v1/prices"; `headers` has lower-case names.
        """

    @property
    def quota_remaining(self) -> int | None:
        """Requests left in the month, as far as the source has reported them."""
        return self.rate_limiter.month_usage().left

    async def get(
        self, route: str, params: Params = (), *, cost: int = 1, metered: bool = True
    ) -> ApiResponse[bytes]:
        """Return the response to `GET route` (a path such as "/v1/prices"); retry what may be retried.

        Raises SourceError. The first AuthRejected or QuotaExhausted (of the month) ends every other request
        of the source with the same error, also the requests that wait; the first RouteForbidden ends every
        other request of its route.
        """
        return await self.read(route, params, _decompress_here, cost=cost, metered=metered)

    async def read(
        self,
        route: str,
        params: Params,
        read_body: BodyReader[_T],
        *,
        headers: Headers | None = None,
        cost: int = 1,
        metered: bool = True,
        retry: RetryPolicy | None = None,
    ) -> ApiResponse[_T]:
        """Send `GET route` as `get` does, and return what `read_body` makes of the body.

        `read_body` decompresses the body where it likes, also in another process. It may take longer than the
        transfer did: the next request is sent meanwhile. It is not cancelled, because the response was paid
        for. A TransientError that it raises is retried like any other.
        """
        request = ApiRequest("GET", route, params, headers=headers or {}, cost=cost, metered=metered)
        return await self._send_with_retry(request, read_body, retry)

    async def query(self, route: str, content: bytes, read_body: BodyReader[_T]) -> ApiResponse[_T]:
        """Send `POST route` with `content` (JSON), a query that changes nothing; otherwise as `read` does."""
        return await self._send_with_retry(ApiRequest("POST", route, content=content), read_body)

    @asynccontextmanager
    async def stream(self, route: str, params: Params, deadline: float) -> AsyncIterator[StreamingResponse]:
        """Start `POST route`, whose body is read as it arrives, all of it within `deadline` seconds.

        Each start counts, so a start is retried only where the source refused it or was not reached. Raises
        PaginationError where the outcome of the start is unknown, and what `get` raises.
        """
        request = ApiRequest("POST", route, params)
        async with self._guard.guard(str(request)), self._connections:
            response = await self._retry.run(lambda: self._open_stream(request, deadline), self._clock)
            try:
                yield response
            finally:
                await response.aclose()

    @asynccontextmanager
    async def feed(self, route: str, params: Params) -> AsyncIterator[StreamingResponse]:
        """Open the feed `GET route`, whose events are read as they arrive, on a connection of its own.

        It is opened once: who reads it knows what to do before the next try. Raises what `get` raises, also
        inside of the block where another request of the source is rejected for good.
        """
        request = ApiRequest("GET", route, params, feed=True)
        async with self._guard.guard(str(request)):
            async with self.rate_limiter.acquire() as permit:
                response = await self._open(request, permit)
            try:
                yield response
            finally:
                await response.aclose()

    async def post(self, route: str) -> ApiResponse[bytes]:
        """Return the response to `POST route` without a body: one request, never retried, not metered.

        Raises OutcomeUnknown where the request may have taken effect; after any other SourceError it has not.
        No error shows any part of a successful response, which may be a secret.
        """
        request = ApiRequest("POST", route, metered=False)
        try:
            async with self._guard.guard(str(request)):
                return await self._attempt(request, _decompress_here)
        except SourceError as error:
            failure = as_outcome_unknown(str(request), error)
        raise failure  # outside of the handler, whose frames hold the response

    async def aclose(self) -> None:
        """Close the connections and the rate limiter."""
        await self._transport.aclose()
        self.rate_limiter.close()

    async def _send_with_retry(
        self, request: ApiRequest, read_body: BodyReader[_T], retry: RetryPolicy | None = None
    ) -> ApiResponse[_T]:
        policy = retry or (self._retry if self._has_answered else self._retry.until_answered)
        try:
            async with self._guard.guard(str(request)):
                return await policy.run(lambda: self._attempt(request, read_body), self._clock)
        except SourceError as error:
            failure = error if self._has_answered else explain(error, self._base_url, str(request))
        raise failure

    async def _attempt(self, request: ApiRequest, read_body: BodyReader[_T]) -> ApiResponse[_T]:
        async with self._responses, AsyncExitStack() as until_done:
            async with (
                self._connections,
                self.rate_limiter.acquire(request.cost, metered=request.metered) as permit,
            ):
                response = await self._open(request, permit)
                try:
                    encoded = self._encode(response, await self._bodies.read(response, until_done))
                finally:
                    await response.aclose()
            server_time = self.source_clock.read(response.headers)
            try:
                body = await run_to_completion(
                    self._bodies.process(encoded, until_done, lambda each: read_body(each, server_time))
                )
            except SourceError as error:  # such as an error in the envelope of a success
                del encoded  # like the frames of the error, it would keep the body as long as the error lives
                failure = error.with_traceback(None)
                raise self._guard.obey(str(request), failure, response.headers) from None
        return ApiResponse(response.status, response.headers, body, server_time=server_time)

    async def _open(
        self, request: ApiRequest, permit: Permit, deadline: float | None = None
    ) -> StreamingResponse:
        """Send a request; return the response of a success, raise the error of any other response."""
        self.requests += 1
        if request.feed:
            response = await self._transport.open_feed(request)
        else:
            response = await self._transport.stream(request, deadline)
        try:
            error = await self._find_error(request, permit, response)
        except BaseException:
            await response.aclose()
            raise
        if error is None:
            return response
        await response.aclose()
        # Before the connection passes to the next request, which the error may forbid.
        raise self._guard.obey(str(request), error, response.headers)

    async def _find_error(
        self, request: ApiRequest, permit: Permit, response: StreamingResponse
    ) -> SourceError | None:
        """Return the error that a response means; report its headers to the rate limiter and the clock."""
        route, status, headers = str(request), response.status, response.headers
        self._on_headers(headers)
        self.source_clock.observe(headers)
        body = ErrorBody(b"") if status < 300 else await read_error_body(response, self.mask)
        dated = with_date(headers, self._clock.now())
        error = self.classify(route, status, body=body, headers=dated)
        error = error or check_content_type(status, headers, self.source, feed=request.feed)
        self._has_answered = self._has_answered or error is None or bool(error.code)
        request_id = sanitize(headers.get("x-request-id", self.request_id))
        self.request_id = (error and error.request_id) or request_id
        quota = parse_quota(headers, self._clock.now())
        self.odd_quota = self.odd_quota or find_odd_quota(headers, quota)
        self.rate_limiter.observe_headers(route, permit, quota, error=error)
        return error

    async def _open_stream(self, request: ApiRequest, deadline: float) -> StreamingResponse:
        """Claim a stream start and send the request; raise the error of an unsuccessful response."""
        # Before the wait for a permit: no request of the month is spent where no start is left.
        self.rate_limiter.claim_stream_start(str(request))
        try:
            async with self.rate_limiter.acquire() as permit:
                return await self._open(request, permit, deadline)
        except ConnectFailed as error:
            self.rate_limiter.observe_error(str(request), error)
            raise
        except (ConnectionLost, RequestTimeout) as error:
            if error.status is None:  # no response, in contrast to one that means such an error
                detail = f"{error.detail}; the stream may have started"
                raise PaginationError(detail, self.source) from None
            raise

    def _encode(self, response: StreamingResponse, raw: bytes) -> EncodedBody:
        encoding = response.headers.get("content-encoding", "")
        return EncodedBody(raw, encoding, str(response.request), self.source, self.mask)


async def _decompress_here(decompress_body: Decompress, _server_time: datetime) -> bytes:
    return decompress_body()

"""The HTTP client of one price API: authenticated, rate-limited, retried and bounded."""

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ClassVar, Final, Generic, TypeVar

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
    RouteForbidden,
    SourceError,
    StreamsExhausted,
)
from common.text import sanitize
from connectors.http.auth import HeaderAuth, Key
from connectors.http.circuit_breaker import CircuitBreaker
from connectors.http.compression import Decompress, decompress
from connectors.http.errors import check_content_type
from connectors.http.headers import localize_reset, parse_quota
from connectors.http.retry import RetryPolicy
from connectors.http.source_clock import SourceClock
from connectors.http.transport import ApiRequest, Params, RawResponse, StreamingResponse, Transport
from connectors.ratelimit.admission import Permit
from connectors.ratelimit.limiter import RateLimiter

HeaderHook = Callable[[Mapping[str, str]], None]
_T = TypeVar("_T")
# Gets the decompression of the body, and the server's time.
BodyReader = Callable[[Decompress, datetime], Awaitable[_T]]
_MAX_ERROR_BODY: Final = 65_536


@dataclass(frozen=True, slots=True)
class ApiResponse(Generic[_T]):
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
    `on_headers` gets the headers of every response.
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
        self.source_clock = SourceClock(clock)
        self.rate_limiter = rate_limiter or RateLimiter(None, clock)
        self._key = key
        self._clock = clock
        self._retry = retry or RetryPolicy()
        self._on_headers = on_headers
        self._connections = asyncio.Semaphore(concurrency)
        # Bounds the memory of responses that have arrived and are not read yet.
        self._responses = asyncio.Semaphore(2 * concurrency)
        self._circuit_breaker = CircuitBreaker()
        self._route_breakers: defaultdict[str, CircuitBreaker] = defaultdict(CircuitBreaker)
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
        self, route: str, status: int, *, body: bytes, headers: Mapping[str, str]
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
        cost: int = 1,
        metered: bool = True,
        retry: RetryPolicy | None = None,
    ) -> ApiResponse[_T]:
        """Send `GET route` as `get` does, and return what `read_body` makes of the body.

        `read_body` decompresses the body where it likes, also in another process. It may take longer than the
        transfer did: the next request is sent meanwhile. It is not cancelled, because the response was paid
        for. A TransientError that it raises is retried like any other.
        """
        request = ApiRequest("GET", route, params, cost=cost, metered=metered)
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
        async with self._guard(request), self._connections:
            response = await self._retry.run(lambda: self._open_stream(request, deadline), self._clock)
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
            async with self._guard(request):
                return await self._attempt(request, _decompress_here)
        except SourceError as error:
            failure = _as_outcome_unknown(request, error)
        raise failure  # outside of the handler, whose frames hold the response

    async def aclose(self) -> None:
        """Close the connections and the rate limiter."""
        await self._transport.aclose()
        self.rate_limiter.close()

    @asynccontextmanager
    async def _guard(self, request: ApiRequest) -> AsyncIterator[None]:
        """Run a request inside; raise the error that stopped the source or the route of the request."""
        async with self._circuit_breaker.guard(), self._route_breakers[str(request)].guard():
            yield

    async def _send_with_retry(
        self, request: ApiRequest, read_body: BodyReader[_T], retry: RetryPolicy | None = None
    ) -> ApiResponse[_T]:
        async with self._guard(request):
            return await (retry or self._retry).run(lambda: self._attempt(request, read_body), self._clock)

    async def _attempt(self, request: ApiRequest, read_body: BodyReader[_T]) -> ApiResponse[_T]:
        async with self._responses:
            async with (
                self._connections,
                self.rate_limiter.acquire(request.cost, metered=request.metered) as permit,
            ):
                self.requests += 1
                response = await self._transport.send(request)
                # Before the connection passes to the next request, which an error here may forbid.
                self._raise_for_error(request, permit, response)
            server_time = self.source_clock.read(response.headers)
            read = read_body(self._decompression(request, response), server_time)
            body = await run_to_completion(read)
        return ApiResponse(response.status, response.headers, body, server_time=server_time)

    async def _open_stream(self, request: ApiRequest, deadline: float) -> StreamingResponse:
        """Claim a stream start and send the request; raise the error of an unsuccessful response."""
        # Before the wait for a permit: no request of the month is spent where no start is left.
        self.rate_limiter.claim_stream_start(str(request))
        try:
            async with self.rate_limiter.acquire() as permit:
                self.requests += 1
                response = await self._transport.stream(request, deadline)
                await self._check_stream_response(request, permit, response)
                return response
        except ConnectFailed as error:
            self.rate_limiter.observe_error(str(request), error)
            raise
        except (ConnectionLost, RequestTimeout) as error:
            if error.status is None:  # no response, in contrast to one that means such an error
                detail = f"{error.detail}; the stream may have started"
                raise PaginationError(detail, self.source) from None
            raise

    async def _check_stream_response(
        self, request: ApiRequest, permit: Permit, response: StreamingResponse
    ) -> None:
        try:
            body = b"" if response.status < 300 else await response.read()
            self._raise_for_error(request, permit, RawResponse(response.status, response.headers, body))
        except BaseException:
            await response.aclose()
            raise

    def _raise_for_error(self, request: ApiRequest, permit: Permit, response: RawResponse) -> None:
        """Raise the error that a response means; report the response to rate limiter and circuit breaker."""
        route, status, headers = str(request), response.status, response.headers
        self._on_headers(headers)
        self.source_clock.observe(headers)
        body = b""
        if status >= 300:
            body = self._decompression(request, response)()[:_MAX_ERROR_BODY]
            # The server may have sent the key back.
            body = self._key.redact(body.decode(errors="replace")).encode()
        error = self.classify(route, status, body=body, headers=headers)
        error = error or check_content_type(status, headers, self.source)
        request_id = sanitize(headers.get("x-request-id", self.request_id))
        self.request_id = (error and error.request_id) or request_id
        now = self._clock.now()
        self.rate_limiter.observe_headers(route, permit, parse_quota(headers, now), error=error)
        if error is None:
            return
        if isinstance(error, QuotaExhausted):
            error.resets_at = localize_reset(error.resets_at, headers, now)
        if isinstance(error, AuthRejected | QuotaExhausted) and not isinstance(error, StreamsExhausted):
            self._circuit_breaker.trip(error)
        if isinstance(error, RouteForbidden):
            self._route_breakers[route].trip(error)
        if isinstance(error, RateLimited):
            self.rate_limiter.pause(error.retry_after or 1.0)
        self.rate_limiter.observe_error(route, error)
        raise error

    def _decompression(self, request: ApiRequest, response: RawResponse) -> Decompress:
        encoding = response.headers.get("content-encoding", "")
        return partial(decompress, response.body, encoding, route=str(request), source=self.source)


async def _decompress_here(decompress_body: Decompress, _server_time: datetime) -> bytes:
    return decompress_body()


def _as_outcome_unknown(request: ApiRequest, error: SourceError) -> SourceError:
    """Return the error of a request that is sent once, without the frames that `error` passed.

    A status of 400 to 499 is a refusal, and a request that found no connection was never sent. Any other
    error may come from something in front of the API, or follow the effect of the request.
    """
    refused = error.status is not None and 400 <= error.status < 500 and error.status != 408
    if refused or isinstance(error, ConnectFailed | ConfigError):
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    return OutcomeUnknown(
        f"{request}: {error.detail}",
        error.source,
        code=error.code,
        status=error.status,
        request_id=error.request_id,
    )

"""One authenticated, paced and bounded way to ask an API for JSON."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Generic, TypeVar

from connectors.admission import Slot
from connectors.auth import BearerAuth, HeaderAuth, Key
from connectors.classify import classify, moment_of, quota_of
from connectors.clock import Clock
from connectors.errors import (
    AuthRejected,
    ConfigError,
    Disconnected,
    FloorlineError,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
    StreamsExhausted,
    Timeout,
    Unavailable,
    Unreachable,
    WalkBroken,
    plain,
)
from connectors.gate import Gate
from connectors.inflate import Inflate, inflated
from connectors.retry import RetryPolicy
from connectors.shielded import to_the_end
from connectors.throttle import Throttle
from connectors.wire import Call, Incoming, Params, Wire

Classify = Callable[[str, int, bytes, Mapping[str, str], str], FloorlineError | None]
Listen = Callable[[Mapping[str, str]], None]

_T = TypeVar("_T")
Read = Callable[[Inflate, datetime], Awaitable[_T]]

_JSON: Final = frozenset({"application/json", "application/x-ndjson", "application/ndjson"})
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
        throttle: Throttle | None = None,
        classify: Classify = classify,
        auth: type[HeaderAuth] = BearerAuth,
        listen: Listen = lambda _headers: None,
    ) -> None:
        self.source = source
        self.requests = 0
        self.request_id = ""
        self.throttle = throttle or Throttle(None, clock)
        self._key = key
        self._clock = clock
        self._retry = retry or RetryPolicy()
        self._classify = classify
        self._listen = listen
        self._turns = asyncio.Semaphore(concurrency)
        self._room = asyncio.Semaphore(2 * concurrency)  # answers that are not read yet stay few
        self._gate = Gate()
        self._wire = Wire(source, base_url, key, concurrency, deadline, auth)

    @property
    def quota_remaining(self) -> int | None:
        """Requests left in the month, as far as the source has told of it."""
        return self.throttle.month().left

    async def get(
        self, route: str, params: Params = (), *, cost: int = 1, metered: bool = True
    ) -> Answer[bytes]:
        """Return the answer to `GET route` (a path such as "/v1/prices"), after as many tries as it takes.

        Raises a FloorlineError. The first AuthRejected or QuotaExhausted (of the month) ends every other
        request, those that wait included, with the same error.
        """
        return await self.read(route, params, _inflate_here, cost=cost, metered=metered)

    async def read(
        self,
        route: str,
        params: Params,
        read: Read[_T],
        *,
        cost: int = 1,
        metered: bool = True,
        retry: RetryPolicy | None = None,
    ) -> Answer[_T]:
        """Do as `get` does, and let `read` make something of the body, which it inflates where it likes.

        `read` also gets the server's moment, and may have the body inflated in another process. It may take
        longer than the body took to arrive: the next request is under way meanwhile. It is not interrupted:
        what has arrived was paid for. A Transient that it raises is worth another try, as any other.
        """
        return await self._asked(Call("GET", route, params, cost=cost, metered=metered), read, retry)

    async def query(self, route: str, content: bytes, read: Read[_T]) -> Answer[_T]:
        """Do as `read` does with `POST route`, which changes nothing: `content` (JSON) says what is asked."""
        return await self._asked(Call("POST", route, content=content), read)

    @asynccontextmanager
    async def stream(self, route: str, params: Params, deadline: float) -> AsyncIterator[Incoming]:
        """Begin `POST route`, whose answer is to be read as it arrives, all of it within `deadline` seconds.

        It is begun again only where the source has refused it or was not reached: a start counts. Raises
        WalkBroken where nobody knows, besides what `get` does.
        """
        call = Call("POST", route, params)
        async with self._gate.passage(), self._turns:
            incoming = await self._retry.run(lambda: self._begun(call, deadline), self._clock)
            try:
                yield incoming
            finally:
                await incoming.aclose()

    async def post(self, route: str) -> Answer[bytes]:
        """Return the answer to `POST route` without a body: one request outside the month, whatever happens.

        Raises OutcomeUnknown where it may have taken effect; after any other FloorlineError it has not. No
        error shows anything of an answer that the route gives to a success.
        """
        call = Call("POST", route, metered=False)
        try:
            async with self._gate.passage():
                return await self._attempt(call, _inflate_here)
        except FloorlineError as error:
            failure = _told_of_one_try(call, error)
        raise failure  # outside of the handler: the frames below hold the answer

    def moment(self, headers: Mapping[str, str]) -> datetime:
        """Return the server's moment as the headers of an answer tell it, or our own clock's."""
        return moment_of(headers.get("date")) or self._clock.now()

    async def aclose(self) -> None:
        """Close the connections, and let go of the budget."""
        await self._wire.aclose()
        self.throttle.close()

    async def _asked(self, call: Call, read: Read[_T], retry: RetryPolicy | None = None) -> Answer[_T]:
        async with self._gate.passage():
            return await (retry or self._retry).run(lambda: self._attempt(call, read), self._clock)

    async def _begun(self, call: Call, deadline: float) -> Incoming:
        """Count a start and send it; raise what came instead of a stream."""
        self.throttle.start_stream(str(call))
        try:
            async with self.throttle.slot() as slot:
                self.requests += 1
                return await self._welcome(call, slot, await self._wire.open(call, deadline))
        except Unreachable as error:
            self.throttle.refused(str(call), error)
            raise
        except (Disconnected, Timeout) as error:
            if error.status is None:
                raise WalkBroken(f"{error.detail}; whether it was begun is not known", self.source) from None
            raise

    async def _welcome(self, call: Call, slot: Slot, incoming: Incoming) -> Incoming:
        try:
            raw = b"" if incoming.status < 300 else await incoming.whole()
            self._judge(call, slot, incoming.status, incoming.headers, raw)
        except BaseException:
            await incoming.aclose()
            raise
        return incoming

    async def _attempt(self, call: Call, read: Read[_T]) -> Answer[_T]:
        async with self._room:
            async with self._turns, self.throttle.slot(call.cost, metered=call.metered) as slot:
                self.requests += 1
                status, headers, raw = await self._wire.exchange(call)
                # Before the turn passes to the next request, which may then no longer be sent.
                self._judge(call, slot, status, headers, raw)
            moment = self.moment(headers)
            content = await to_the_end(read(self._inflate(raw, headers, call), moment))
        kept = {name: headers[name] for name in _KEPT if name in headers}
        return Answer(status, kept, content, moment)

    def _judge(self, call: Call, slot: Slot, status: int, headers: Mapping[str, str], raw: bytes) -> None:
        """Raise what is wrong with a response, and let the other requests know what it means for them."""
        self._listen(headers)
        told = b"" if status < 300 else self._redacted(self._inflate(raw, headers, call)())
        error = self._classify(str(call), status, told, headers, self.source)
        error = error or _not_json(headers, self.source, status)
        self.request_id = (error and error.request_id) or plain(headers.get("x-request-id", self.request_id))
        self.throttle.note(str(call), slot, quota_of(headers), error)
        if isinstance(error, AuthRejected | QuotaExhausted) and not isinstance(error, StreamsExhausted):
            self._gate.shut(error)
        if isinstance(error, RateLimited):
            self.throttle.hold(error.retry_after or 1.0)
        if error is not None:
            self.throttle.refused(str(call), error)
            raise error

    def _inflate(self, raw: bytes, headers: Mapping[str, str], call: Call) -> Inflate:
        return partial(inflated, raw, headers.get("content-encoding", ""), str(call), self.source)

    def _redacted(self, body: bytes) -> bytes:
        """Return the body of a failure without the key, should the server have sent it back."""
        return self._key.redact(body[:65_536].decode(errors="replace")).encode()


async def _inflate_here(inflate: Inflate, _moment: datetime) -> bytes:
    return inflate()


def _not_json(headers: Mapping[str, str], source: str, status: int) -> Unavailable | None:
    """Say what is wrong with a page that is not JSON.

    It comes from something before the API, a cache that hiccups or a login page. The first passes and the
    second costs no quota, so both are tried again.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _JSON or kind.endswith("+json"):
        return None
    told = plain(kind, 60) or "no content type"
    return Unavailable(f"{told} instead of JSON: something answers in the API's place", source, "", status)


def _told_of_one_try(call: Call, error: FloorlineError) -> FloorlineError:
    """Return what a failure means for a request that is sent once; without the frames that it came through.

    An answer from 400 to 499 is a refusal, and what could not connect was never sent. Anything else may have
    come from before the API, or after the deed.
    """
    refused = error.status is not None and 400 <= error.status < 500 and error.status != 408
    if refused or isinstance(error, Unreachable | ConfigError):
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    return OutcomeUnknown(f"{call}: {error.detail}", error.source, error.code, error.status, error.request_id)

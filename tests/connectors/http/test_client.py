"""The HTTP client: responses, failures, retries and limits, against the sandbox and against stub servers."""

import asyncio
import gzip
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from common import errors
from common.clock import MAX_CLOCK_SKEW, SystemClock
from connectors.cs2cap.client import Cs2capClient
from connectors.http.auth import Key
from connectors.http.client import ApiResponse, Client
from connectors.http.retry import RetryPolicy
from connectors.skinshark.client import SkinsharkClient
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.skinshark.merchant import FIRST_KEY
from tests.support.clocks import NOON, VirtualClock
from tests.support.http_servers import http_response, stub_server

ONCE = RetryPolicy(attempts=1)
Request = Callable[[Client], Awaitable[ApiResponse[bytes]]]


async def get_account(client: Client) -> ApiResponse[bytes]:
    return await client.get("/v1/account/key")


def request_once(
    url: str, *, retry: RetryPolicy = ONCE, deadline: float = 30.0, request: Request = get_account
) -> ApiResponse[bytes]:
    async def main() -> ApiResponse[bytes]:
        client = Cs2capClient("cs2cap", url, Key(VALID_KEY), VirtualClock(), retry=retry, deadline=deadline)
        try:
            return await request(client)
        finally:
            await client.aclose()

    return asyncio.run(main())


def request_from_stub(response: bytes, deadline: float = 30.0) -> ApiResponse[bytes]:
    async def main() -> ApiResponse[bytes]:
        async with stub_server(response) as server:
            client = Cs2capClient(
                "cs2cap", server.url, Key(VALID_KEY), VirtualClock(), retry=ONCE, deadline=deadline
            )
            try:
                return await get_account(client)
            finally:
                await client.aclose()

    return asyncio.run(main())


def test_response_carries_the_server_time(sandbox: Sandbox) -> None:
    response = request_once(sandbox.url)
    assert response.status == 200
    assert response.server_time == NOON
    assert response.body.startswith(b"{")


def test_without_a_date_the_server_time_is_the_local_clocks() -> None:
    assert request_from_stub(http_response(b"{}")).server_time == NOON


def test_skewed_date_is_the_server_time(sandbox: Sandbox) -> None:
    sandbox.fault("skewed_date", path="/v1/account/key", seconds=-3600)
    assert request_once(sandbox.url).server_time == datetime(2026, 6, 1, 11, tzinfo=UTC)


def test_date_ahead_of_our_clock_is_bounded(sandbox: Sandbox) -> None:
    for seconds in (240, 301, 365 * 86_400):
        sandbox.fault("skewed_date", path="/v1/account/key", seconds=seconds)
        assert request_once(sandbox.url).server_time == NOON + min(timedelta(seconds=seconds), MAX_CLOCK_SKEW)


def test_client_keeps_the_largest_skew_of_the_clocks(sandbox: Sandbox) -> None:
    skews: list[timedelta | None] = []

    async def request_three_times(client: Client) -> ApiResponse[bytes]:
        for seconds in (60, -400, 200):
            sandbox.fault("skewed_date", path="/v1/account/key", seconds=seconds)
            response = await get_account(client)
            skews.append(client.source_clock.skew)
        return response

    request_once(sandbox.url, request=request_three_times)
    assert skews == [timedelta(seconds=seconds) for seconds in (60, -400, -400)]


def test_date_outside_of_the_calendar_is_no_date() -> None:
    beyond = http_response(b"{}", date="Fri, 31 Dec 9999 23:59:59 -1200")
    assert request_from_stub(beyond).server_time == NOON


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "rate_limited", "retry_after": 1}, errors.RateLimited),
        ({"kind": "status_500"}, errors.Unavailable),
        ({"kind": "unavailable"}, errors.Unavailable),
        ({"kind": "unavailable", "coded": False}, errors.Unavailable),
        ({"kind": "drop"}, errors.ConnectionLost),
        ({"kind": "truncate"}, errors.ConnectionLost),
        ({"kind": "html"}, errors.Unavailable),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else value.__name__,
)
def test_temporary_failures_are_retried(
    sandbox: Sandbox, fault: dict[str, object], kind: type[errors.TransientError]
) -> None:
    options = {"path": "/v1/account/key", "times": 2, **fault}
    sandbox.fault(**options)  # type: ignore[arg-type]
    with pytest.raises(kind):
        request_once(sandbox.url)
    assert request_once(sandbox.url, retry=RetryPolicy()).status == 200


def test_truncated_gzip_is_a_lost_connection() -> None:
    compressed = gzip.compress(b'{"items": []}' * 50)
    with pytest.raises(errors.ConnectionLost, match="cut"):
        request_from_stub(http_response(compressed[:-9], content_encoding="gzip"))
    assert request_from_stub(http_response(compressed, content_encoding="gzip")).body == b'{"items": []}' * 50


def test_garbage_instead_of_gzip_is_a_lost_connection() -> None:
    with pytest.raises(errors.ConnectionLost, match="cut"):
        request_from_stub(http_response(b"{}", content_encoding="gzip"))


def test_body_shorter_than_its_content_length_is_a_lost_connection() -> None:
    with pytest.raises(errors.ConnectionLost):
        request_from_stub(http_response(b"{}", content_length="500"))


def test_encoding_that_was_not_requested_is_an_unexpected_response() -> None:
    with pytest.raises(errors.UnexpectedResponse, match="'br'"):
        request_from_stub(http_response(b"{}", content_encoding="br"))


def test_response_that_is_not_http_is_a_lost_connection() -> None:
    with pytest.raises(errors.ConnectionLost):
        request_from_stub(b"SSH-2.0-OpenSSH_9.6\r\n")


def test_closed_port_is_a_lost_connection() -> None:
    with pytest.raises(errors.ConnectionLost):
        request_once("http://127.0.0.1:9")


def test_redirect_is_not_followed(sandbox: Sandbox) -> None:
    sandbox.fault("redirect", path="/v1/account/key", location="http://elsewhere.example/x?key=1", times=None)
    with pytest.raises(errors.UnexpectedResponse, match=r"http://elsewhere\.example/x, which"):
        request_once(sandbox.url, retry=RetryPolicy())
    assert len(sandbox.requests.since(0)) == 1


def test_slow_response_ends_at_the_deadline() -> None:
    async def dribble(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(http_response(b"", content_length="1000000"))
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def main() -> None:
        async with stub_server(dribble) as server:
            client = Cs2capClient(
                "cs2cap", server.url, Key(VALID_KEY), SystemClock(), retry=ONCE, deadline=0.2
            )
            with pytest.raises(errors.RequestTimeout, match=r"0\.2 s"):
                await get_account(client)
            await client.aclose()

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 2


def test_every_attempt_is_counted(sandbox: Sandbox) -> None:
    sandbox.fault("status_500", path="/v1/account/key", times=3)
    counts: list[int] = []

    async def counted(client: Client) -> ApiResponse[bytes]:
        response = await get_account(client)
        counts.append(client.requests)
        return response

    request_once(sandbox.url, retry=RetryPolicy(), request=counted)
    assert counts == [4]
    assert len(sandbox.requests.since(0)) == 4


@pytest.mark.parametrize(("limit", "left"), [("1000", 41), ("20", 999), ("x", 999)])
def test_remaining_quota_counts_only_where_the_limit_is_the_months(limit: str, left: int | None) -> None:
    async def main() -> int | None:
        async with stub_server(
            http_response(b"{}", x_ratelimit_limit=limit, x_ratelimit_remaining="41")
        ) as server:
            client = Cs2capClient("cs2cap", server.url, Key(VALID_KEY), VirtualClock())
            client.rate_limiter.sync_month(0, 1000, since=client.rate_limiter.sync_point())
            await get_account(client)
            remaining = client.quota_remaining
            await client.aclose()
            return remaining

    assert asyncio.run(main()) == left


def test_429_pauses_every_other_request(sandbox: Sandbox) -> None:
    sandbox.fault("rate_limited", path="/v1/account/key", retry_after=40)
    clock = VirtualClock()
    response_times: list[float] = []

    async def main() -> None:
        client = Cs2capClient(
            "cs2cap",
            sandbox.url,
            Key(VALID_KEY),
            clock,
            concurrency=1,
            on_headers=lambda _: response_times.append(clock.time),
        )
        await asyncio.gather(*(get_account(client) for _ in range(3)))
        assert client.requests == 4
        await client.aclose()

    asyncio.run(main())
    assert response_times == [0, 40, 40, 40]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_concurrency_is_limited(concurrency: int) -> None:
    running, most = 0, 0

    async def busy(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        writer.write(http_response(b"{}"))

    async def main() -> None:
        async with stub_server(busy) as server:
            client = Cs2capClient(
                "cs2cap", server.url, Key(VALID_KEY), VirtualClock(), concurrency=concurrency
            )
            await asyncio.gather(*(get_account(client) for _ in range(9)))
            await client.aclose()

    asyncio.run(main())
    assert most == concurrency


def test_revoked_key_stops_all_requests() -> None:
    """Two requests wait, one for a connection and one for its second attempt; neither is sent again."""
    revoked = b'{"code": "AUTH_API_KEY_REVOKED", "detail": "revoked"}'
    requests = 0

    async def respond(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        requests += 1
        first = http_response(b"", "503 Service Unavailable")
        writer.write(first if requests == 1 else http_response(revoked, "401 Unauthorized"))

    async def main() -> list[ApiResponse[bytes] | BaseException]:
        async with stub_server(respond) as server:
            patient = RetryPolicy(base=100.0, cap=100.0)
            client = Cs2capClient(
                "cs2cap", server.url, Key(VALID_KEY), SystemClock(), concurrency=1, retry=patient
            )
            results = await asyncio.gather(*(get_account(client) for _ in range(4)), return_exceptions=True)
            with pytest.raises(errors.KeyRevoked):
                await get_account(client)
            await client.aclose()
            assert client.requests == 2
            return results

    started = time.monotonic()
    results = asyncio.run(main())
    assert time.monotonic() - started < 5
    assert [type(result) for result in results] == [errors.KeyRevoked] * 4
    assert len({id(result) for result in results}) == 4


def test_forbidden_route_stops_its_own_requests_only(sandbox: Sandbox) -> None:
    """Of four requests, one is sent and three wait for its connection; another route still works."""
    sandbox.skinshark.fault("error", times=None, params={"key": "SOMETHING_NEW", "status": 403})

    async def main() -> list[ApiResponse[bytes] | BaseException]:
        client = SkinsharkClient("shark", sandbox.url, Key(FIRST_KEY), SystemClock(), concurrency=1)
        waiting = (client.get("/market/prices") for _ in range(4))
        results = await asyncio.gather(*waiting, client.get("/merchant"), return_exceptions=True)
        await client.aclose()
        return results

    *refused, other = asyncio.run(main())
    assert [type(error) for error in refused] == [errors.RouteForbidden] * 4
    assert len({id(error) for error in refused}) == 4
    assert isinstance(other, ApiResponse)
    assert [entry.path for entry in sandbox.skinshark.requests.since(0)] == ["/market/prices", "/merchant"]


def test_exhausted_month_stops_all_requests(make_sandbox: Callable[..., Sandbox]) -> None:
    sandbox = make_sandbox(limits=True, tier="free")

    async def main() -> int:
        client = Cs2capClient("cs2cap", sandbox.url, Key(VALID_KEY), VirtualClock())
        for _ in range(3):
            with pytest.raises(errors.QuotaExhausted):
                await client.get("/v1/fx")
        await client.aclose()
        return client.requests

    sandbox.keys.set_remaining(VALID_KEY, 0, NOON)
    assert asyncio.run(main()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "ftp://api.example",
        "api.example",
        "http://api.example",
        "https://",
        "https://user:secret@api.example",
        "https://api.example?key=secret",
        "https://api.example:99999",
        "https://api.example:0",
        "https://api.example:port",
        "https://[::1",
        "https://api example",
        "https://api.example\r\nX: y",
    ],
)
def test_address_that_must_not_receive_the_key_is_rejected(url: str) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        Cs2capClient("cs2cap", url, Key(VALID_KEY), VirtualClock())
    assert "secret" not in str(caught.value)


def test_proxies_are_used_for_https_only(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert request_once(sandbox.url).status == 200


def all_subclasses(base: type[Exception]) -> set[type[Exception]]:
    return {base}.union(*(all_subclasses(each) for each in base.__subclasses__()))


def test_every_request_exception_of_httpx_is_an_http_error() -> None:
    """The client translates `HTTPError`; the other exceptions are about the wrong use of httpx."""
    raised = all_subclasses(httpx.HTTPError)
    others = {
        kind for name in httpx.__all__ if isinstance(kind := getattr(httpx, name), type) if kind not in raised
    }
    exceptions = {kind.__name__ for kind in others if issubclass(kind, Exception)}
    assert exceptions == {
        "CookieConflict",
        "InvalidURL",
        "RequestNotRead",
        "ResponseNotRead",
        "StreamClosed",
        "StreamConsumed",
        "StreamError",
    }


def test_connectors_log_nothing(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        request_once(sandbox.url)
    assert not [record for record in caplog.records if record.name.startswith("connectors")]

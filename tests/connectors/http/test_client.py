"""The HTTP client: responses, failures and retries, against the sandbox and against stub servers."""

import asyncio
import gzip
import logging
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
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
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

    asyncio.run(main())  # the response never ends


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

"""One request and what may become of it, against the sandbox and against servers that misbehave."""

import asyncio
import gzip
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx
import pytest

from common import errors
from common.clock import SystemClock
from connectors.cs2cap.client import Cs2capClient
from connectors.http.auth import Key
from connectors.http.client import ApiResponse, Client
from connectors.http.retry import RetryPolicy
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON, VirtualClock
from tests.support.http_servers import http_response, stub_server

ONCE = RetryPolicy(attempts=1)
Ask = Callable[[Client], Awaitable[ApiResponse[bytes]]]


async def account(client: Client) -> ApiResponse[bytes]:
    return await client.get("/v1/account/key")


def ask(
    url: str, *, retry: RetryPolicy = ONCE, deadline: float = 30.0, ask: Ask = account
) -> ApiResponse[bytes]:
    async def main() -> ApiResponse[bytes]:
        client = Cs2capClient("cs2cap", url, Key(VALID_KEY), VirtualClock(), retry=retry, deadline=deadline)
        try:
            return await ask(client)
        finally:
            await client.aclose()

    return asyncio.run(main())


def ask_canned(response: bytes, deadline: float = 30.0) -> ApiResponse[bytes]:
    async def main() -> ApiResponse[bytes]:
        async with stub_server(response) as server:
            client = Cs2capClient(
                "cs2cap", server.url, Key(VALID_KEY), VirtualClock(), retry=ONCE, deadline=deadline
            )
            try:
                return await account(client)
            finally:
                await client.aclose()

    return asyncio.run(main())


def test_an_answer_carries_the_servers_moment(sandbox: Sandbox) -> None:
    got = ask(sandbox.url)
    assert got.status == 200
    assert got.server_time == NOON
    assert got.body.startswith(b"{")


def test_without_a_date_the_moment_is_our_own_clocks() -> None:
    assert ask_canned(http_response(b"{}")).server_time == NOON


def test_a_skewed_date_is_the_servers_word(sandbox: Sandbox) -> None:
    sandbox.fault("skewed_date", path="/v1/account/key", seconds=3600)
    assert ask(sandbox.url).server_time == datetime(2026, 6, 1, 13, tzinfo=UTC)


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
def test_what_passes_is_tried_again(
    sandbox: Sandbox, fault: dict[str, object], kind: type[errors.TransientError]
) -> None:
    how = {"path": "/v1/account/key", "times": 2, **fault}
    sandbox.fault(**how)  # type: ignore[arg-type]
    with pytest.raises(kind):
        ask(sandbox.url)
    assert ask(sandbox.url, retry=RetryPolicy()).status == 200


def test_a_gzip_that_was_cut_is_not_taken_for_whole() -> None:
    whole = gzip.compress(b'{"items": []}' * 50)
    with pytest.raises(errors.ConnectionLost, match="cut"):
        ask_canned(http_response(whole[:-9], content_encoding="gzip"))
    assert ask_canned(http_response(whole, content_encoding="gzip")).body == b'{"items": []}' * 50


def test_garbage_instead_of_gzip_is_a_broken_connection() -> None:
    with pytest.raises(errors.ConnectionLost, match="cut"):
        ask_canned(http_response(b"{}", content_encoding="gzip"))


def test_a_body_shorter_than_promised_is_a_broken_connection() -> None:
    with pytest.raises(errors.ConnectionLost):
        ask_canned(http_response(b"{}", content_length="500"))


def test_an_encoding_nobody_asked_for_breaks_the_contract() -> None:
    with pytest.raises(errors.UnexpectedResponse, match="'br'"):
        ask_canned(http_response(b"{}", content_encoding="br"))


def test_what_is_not_http_is_a_broken_connection() -> None:
    with pytest.raises(errors.ConnectionLost):
        ask_canned(b"SSH-2.0-OpenSSH_9.6\r\n")


def test_nobody_listens() -> None:
    with pytest.raises(errors.ConnectionLost):
        ask("http://127.0.0.1:9")


def test_a_redirect_is_not_followed(sandbox: Sandbox) -> None:
    sandbox.fault("redirect", path="/v1/account/key", location="http://elsewhere.example/x?key=1", times=None)
    with pytest.raises(errors.UnexpectedResponse, match=r"http://elsewhere\.example/x, which"):
        ask(sandbox.url, retry=RetryPolicy())
    assert len(sandbox.requests.since(0)) == 1


def test_an_answer_that_dribbles_ends_at_the_deadline() -> None:
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
                await account(client)
            await client.aclose()

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 2


def test_every_try_is_counted(sandbox: Sandbox) -> None:
    sandbox.fault("status_500", path="/v1/account/key", times=3)
    counts: list[int] = []

    async def counted(client: Client) -> ApiResponse[bytes]:
        got = await account(client)
        counts.append(client.requests)
        return got

    ask(sandbox.url, retry=RetryPolicy(), ask=counted)
    assert counts == [4]
    assert len(sandbox.requests.since(0)) == 4


@pytest.mark.parametrize(("limit", "left"), [("1000", 41), ("20", 999), ("x", 999)])
def test_remaining_is_believed_only_where_it_speaks_of_the_month(limit: str, left: int | None) -> None:
    async def main() -> int | None:
        async with stub_server(
            http_response(b"{}", x_ratelimit_limit=limit, x_ratelimit_remaining="41")
        ) as server:
            client = Cs2capClient("cs2cap", server.url, Key(VALID_KEY), VirtualClock())
            client.rate_limiter.sync_month(0, 1000, since=client.rate_limiter.sync_point())
            await account(client)
            remaining = client.quota_remaining
            await client.aclose()
            return remaining

    assert asyncio.run(main()) == left


def test_a_429_holds_every_other_request(sandbox: Sandbox) -> None:
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
        await asyncio.gather(*(account(client) for _ in range(3)))
        assert client.requests == 4
        await client.aclose()

    asyncio.run(main())
    assert response_times == [0, 40, 40, 40]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_at_once_than_allowed(concurrency: int) -> None:
    at_once, most = 0, 0

    async def busy(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1
        writer.write(http_response(b"{}"))

    async def main() -> None:
        async with stub_server(busy) as server:
            client = Cs2capClient(
                "cs2cap", server.url, Key(VALID_KEY), VirtualClock(), concurrency=concurrency
            )
            await asyncio.gather(*(account(client) for _ in range(9)))
            await client.aclose()

    asyncio.run(main())
    assert most == concurrency


def test_a_rejected_key_turns_out_whoever_waits() -> None:
    """Two requests wait, one for a turn and one for its second try; neither is sent again."""
    revoked = b'{"code": "AUTH_API_KEY_REVOKED", "detail": "revoked"}'
    seen = 0

    async def second_is_revoked(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        first = http_response(b"", "503 Service Unavailable", retry_after="100")
        writer.write(first if seen == 1 else http_response(revoked, "401 Unauthorized"))

    async def main() -> list[ApiResponse[bytes] | BaseException]:
        async with stub_server(second_is_revoked) as server:
            client = Cs2capClient("cs2cap", server.url, Key(VALID_KEY), SystemClock(), concurrency=1)
            results = await asyncio.gather(*(account(client) for _ in range(4)), return_exceptions=True)
            with pytest.raises(errors.KeyRevoked):
                await account(client)
            await client.aclose()
            assert client.requests == 2
            return results

    started = time.monotonic()
    results = asyncio.run(main())
    assert time.monotonic() - started < 5
    assert [type(result) for result in results] == [errors.KeyRevoked] * 4
    assert len({id(result) for result in results}) == 4


def test_an_exhausted_month_shuts_the_gate_too(make_sandbox: Callable[..., Sandbox]) -> None:
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
    ],
)
def test_an_address_the_key_must_not_go_to_is_refused(url: str) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        Cs2capClient("cs2cap", url, Key(VALID_KEY), VirtualClock())
    assert "secret" not in str(caught.value)


def test_proxies_serve_https_only(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert ask(sandbox.url).status == 200


def every_kind_of(base: type[Exception]) -> set[type[Exception]]:
    return {base}.union(*(every_kind_of(kind) for kind in base.__subclasses__()))


def test_every_exception_of_httpx_that_a_request_raises_is_an_http_error() -> None:
    """What is not is about the use of httpx itself: the client maps `HTTPError`."""
    raised = every_kind_of(httpx.HTTPError)
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


def test_nothing_is_logged_by_us(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        ask(sandbox.url)
    assert not [record for record in caplog.records if record.name.startswith("connectors")]

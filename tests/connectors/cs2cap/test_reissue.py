"""`CS2Cap.reissue` sends one request, whatever happens, and never shows the new key."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from common import errors
from common.clock import SystemClock
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from connectors.http.retry import RetryPolicy
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import DISABLED_KEY, REVOKED_KEY, VALID_KEY
from tests.support.http_servers import StubServer, http_response, stub_server
from tests.support.sandboxes import HttpGet
from tests.support.secrets import SECRET, assert_no_secret, render_exception
from tests.support.waiting import wait_until

REISSUE = "/v1/account/key/reissue"
FAST_RETRY = RetryPolicy(attempts=5, base=0.001)


async def reissue_async(url: str, key: str = VALID_KEY, deadline: float = 60.0) -> Key | BaseException:
    connector = CS2Cap(
        Cs2capClient("cs2cap", url, Key(key), clock=SystemClock(), retry=FAST_RETRY, deadline=deadline)
    )
    try:
        return await connector.reissue()
    except errors.SourceError as error:
        return error
    finally:
        await connector.aclose()


def reissue(url: str, key: str = VALID_KEY, deadline: float = 60.0) -> Key | BaseException:
    return asyncio.run(reissue_async(url, key, deadline))


def reissue_from_stub(response: bytes) -> tuple[Key | BaseException, StubServer]:
    async def main() -> tuple[Key | BaseException, StubServer]:
        async with stub_server(response) as server:
            return await reissue_async(server.url), server

    return asyncio.run(main())


def test_new_key_replaces_the_old_one(sandbox: Sandbox, http_get: HttpGet) -> None:
    key = reissue(sandbox.url)
    assert isinstance(key, Key)
    assert http_get(sandbox, "/v1/fx", key.reveal()).status_code == 200
    assert http_get(sandbox, "/v1/fx").status_code == 401
    assert key.reveal() not in f"{key!r} {key}"
    assert len(sandbox.requests.of_path(REISSUE)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "took_effect"),
    [
        ({"kind": "lost_answer"}, True),
        ({"kind": "drop"}, False),
        ({"kind": "truncate"}, True),
        ({"kind": "status_500"}, False),
        ({"kind": "unavailable"}, False),
        ({"kind": "html"}, False),
        ({"kind": "redirect"}, False),
        ({"kind": "latency", "seconds": 30}, True),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
def test_without_a_success_the_outcome_is_unknown_and_no_request_is_repeated(
    sandbox: Sandbox, http_get: HttpGet, fault: dict[str, object], took_effect: bool
) -> None:
    sandbox.fault(**{"path": REISSUE, "times": None, **fault})  # type: ignore[arg-type]
    error = reissue(sandbox.url, deadline=2 if fault["kind"] == "latency" else 60)
    assert type(error) is errors.OutcomeUnknown
    assert "dashboard" in str(error)
    assert len(sandbox.requests.of_path(REISSUE)) == 1
    if fault["kind"] != "latency":
        assert (http_get(sandbox, "/v1/fx").status_code == 401) is took_effect


@pytest.mark.parametrize(
    ("key", "error_class"),
    [
        (REVOKED_KEY, errors.KeyRevoked),
        (DISABLED_KEY, errors.AccountDisabled),
        ("cs2c_live_nobody_knows", errors.KeyInvalid),
    ],
)
def test_rejected_key_is_a_certain_failure(
    sandbox: Sandbox, key: str, error_class: type[errors.SourceError]
) -> None:
    assert type(reissue(sandbox.url, key)) is error_class
    assert len(sandbox.requests.of_path(REISSUE)) == 1


def test_rate_limited_reissue_is_not_retried(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("rate_limited", path=REISSUE)
    assert type(reissue(sandbox.url)) is errors.RateLimited
    assert len(sandbox.requests.of_path(REISSUE)) == 1
    assert http_get(sandbox, "/v1/fx").status_code == 200


def test_failed_connection_is_a_certain_failure() -> None:
    assert type(reissue("http://127.0.0.1:9")) is errors.ConnectFailed


@pytest.mark.parametrize("status", ["408 Request Timeout", "504 Gateway Timeout", "303 See Other"])
def test_response_of_a_gateway_leaves_the_outcome_unknown(status: str) -> None:
    error, server = reissue_from_stub(http_response(b"{}", status))
    assert type(error) is errors.OutcomeUnknown
    assert len(server.heads) == 1
    assert server.heads[0].startswith(b"POST /v1/account/key/reissue HTTP/1.1")


@pytest.mark.parametrize(
    "response",
    [
        http_response(f'{{"token": "{SECRET}"}}'.encode()),
        http_response(f'{{"key": "{SECRET}\\n"}}'.encode()),
        http_response(f'{{"key": ["{SECRET}"]}}'.encode()),
        http_response(f'{{"key": "{SECRET}"}}'.encode(), content_type="text/html"),
        http_response(f'{{"key": "{SECRET}"}}'.encode(), content_length="500"),
        http_response(f'{{"key": "{SECRET}"'.encode()),
    ],
    ids=["another name", "a line break", "a list", "not JSON", "cut", "half"],
)
def test_invalid_response_is_never_shown(response: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        error, server = reissue_from_stub(response)
    assert type(error) is errors.OutcomeUnknown
    assert len(server.heads) == 1
    assert caplog.records
    assert_no_secret(render_exception(error), caplog.text)
    assert_no_secret(*(str(vars(record)) for record in caplog.records))


def test_cancelled_reissue_is_sent_once(sandbox: Sandbox) -> None:
    async def main() -> object:
        task = asyncio.ensure_future(reissue_async(sandbox.url))
        await asyncio.to_thread(wait_until, lambda: sandbox.requests.of_path(REISSUE))
        task.cancel()
        return (await asyncio.gather(task, return_exceptions=True))[0]

    sandbox.fault("latency", path=REISSUE, seconds=30)
    assert isinstance(asyncio.run(main()), asyncio.CancelledError)
    assert len(sandbox.requests.of_path(REISSUE)) == 1


@pytest.mark.parametrize(
    ("tier", "limits", "expected"),
    [("starter", True, "starter"), ("quant", True, "quant"), ("pro", False, "pro")],
)
def test_account_derives_the_tier_from_its_limits(
    make_sandbox: Callable[..., Sandbox], tier: str, limits: bool, expected: str | None
) -> None:
    async def main() -> str | None:
        sandbox = make_sandbox(tier=tier, limits=limits)
        connector = CS2Cap(Cs2capClient("cs2cap", sandbox.url, Key(VALID_KEY), clock=SystemClock()))
        try:
            return (await connector.account()).tier
        finally:
            await connector.aclose()

    assert asyncio.run(main()) == expected

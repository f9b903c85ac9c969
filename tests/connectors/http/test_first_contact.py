"""A source that never answered: what is wrong with its address is said at once, and of each address."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from pathlib import Path

import pytest

from common.errors import ConnectFailed, RequestTimeout, SourceError
from connectors.cs2cap.client import Cs2capClient
from connectors.http.auth import Key
from connectors.http.first_contact import describe_connect_failure
from connectors.http.retry import UNKNOWN_SOURCE, RetryPolicy
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import VirtualClock
from tests.support.http_servers import http_response, stub_server
from tests.support.snapshots import Bench, basket, main_with

UNKNOWN = RetryPolicy(first_failures=UNKNOWN_SOURCE)
NOWHERE = "http://127.0.0.1:9"
# Of each response its error, the requests that it takes, and what the error says of the address.
RESPONSES = {
    "a page": (
        http_response(b"<html>", content_type="text/html"),
        2,
        "a web page, such as a login page, instead of JSON",
    ),
    "a login page": (
        http_response(b"", "302 Found", location="https://login.example.com/?next=x"),
        1,
        "redirected to https://login.example.com/, which is not followed",
    ),
    "a page of 404": (
        http_response(b"<html>", "404 Not Found", content_type="text/html"),
        1,
        "is not this API",
    ),
    "another service": (http_response(b'{"detail": "Not Found"}', "404 Not Found"), 1, "is not this API"),
    "no such method": (http_response(b"", "405 Method Not Allowed"), 1, "it has no GET /v1/account/key (405"),
    "a proxy": (http_response(b"No", "403 Forbidden", content_type="text/plain"), 1, "in the API's place"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", 2, "what listens there may not speak http"),
}


def fail_at(url: str, retry: RetryPolicy = UNKNOWN, deadline: float = 30.0) -> tuple[SourceError, int]:
    """Return the error of a first request to `url`, and how many requests were sent."""

    async def main() -> tuple[SourceError, int]:
        clock = VirtualClock()
        client = Cs2capClient("cs2cap", url, Key(VALID_KEY), clock, retry=retry, deadline=deadline)
        with pytest.raises(SourceError) as caught:
            await client.get("/v1/account/key")
        await client.aclose()
        return caught.value, client.requests

    return asyncio.run(main())


def test_refused_connection_is_told_after_two_attempts_with_its_address() -> None:
    error, requests = fail_at(NOWHERE)
    assert isinstance(error, ConnectFailed)
    assert error.detail == f"{NOWHERE}: GET /v1/account/key: connection refused: nothing listens there"
    assert "Check `base_url`" in str(error)
    assert requests == 2
    assert fail_at(NOWHERE, RetryPolicy())[1] == 6  # of a source that answered before


@pytest.mark.parametrize(("response", "requests", "message"), RESPONSES.values(), ids=RESPONSES)
def test_what_answers_in_the_place_of_the_api_is_told(response: bytes, requests: int, message: str) -> None:
    async def main() -> tuple[SourceError, str]:
        async with stub_server(response) as server:
            client = Cs2capClient("cs2cap", server.url, Key(VALID_KEY), VirtualClock(), retry=UNKNOWN)
            with pytest.raises(SourceError) as caught:
                await client.get("/v1/account/key")
            await client.aclose()
            assert len(server.heads) == requests
            return caught.value, server.url

    error, url = asyncio.run(main())
    assert message in error.detail
    assert url in error.detail


@pytest.mark.server
def test_server_that_hangs_is_asked_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        error, requests = fail_at(f"http://127.0.0.1:{hanging.getsockname()[1]}", deadline=0.2)
    assert isinstance(error, RequestTimeout)
    assert (requests, "no answer in 0.2 s" in error.detail) == (1, True)


def test_source_that_answered_once_is_retried_as_ever(sandbox: Sandbox) -> None:
    async def main() -> int:
        client = Cs2capClient("cs2cap", sandbox.url, Key(VALID_KEY), VirtualClock(), retry=UNKNOWN)
        await client.get("/v1/account/key")
        sandbox.fault("drop", path="/v1/account/key", times=3)
        await client.get("/v1/account/key")
        await client.aclose()
        return client.requests

    assert asyncio.run(main()) == 5


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "no host has this name"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "is this machine online?"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "is this machine online?"),
        (ExceptionGroup("", [ConnectionRefusedError()]), "connection refused"),
        (certificate_error(10), "has expired"),
        (certificate_error(18), "is signed by itself"),
        (certificate_error(62), "is for another host"),
        (certificate_error(3), "cannot be verified"),
    ],
)
def test_reason_is_that_of_the_system_below_the_libraries(cause: Exception, message: str) -> None:
    error = OSError("All connection attempts failed")
    error.__cause__ = cause
    assert message in (describe_connect_failure(error) or "")


@pytest.mark.server
def test_no_https_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)

        async def main() -> str:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            client = Cs2capClient(
                "cs2cap", url, Key(VALID_KEY), VirtualClock(), retry=RetryPolicy(attempts=1)
            )
            request = asyncio.create_task(client.get("/v1/account/key"))
            connection, _ = await asyncio.to_thread(listener.accept)
            connection.sendall(http_response(b"", "400 Bad Request"))
            with pytest.raises(ConnectFailed) as caught:
                await request
            connection.close()
            await client.aclose()
            return caught.value.detail

        assert "what listens there does not speak https" in asyncio.run(main())


def test_wrong_path_of_an_address_is_an_error_of_the_configuration(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.create(tmp_path, {"cs2cap": f"{sandbox.url}/api"}, basket())
    output = main_with("snapshot", "--no-prefect", "--config", str(bench.config))
    assert output.code == 2
    assert f"what answers at {sandbox.url}/api is not this API: it has no GET /v1/account/key" in output.err

"""What answers at Prefect's address: a Prefect API of our major version, or one line within seconds.

All cases but the guards are new: any answer with the status 200 counted as Prefect, the versions were not
compared, and an address without an answer blocked a command for minutes.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prefect.settings import PREFECT_API_SSL_CERT_FILE, PREFECT_API_URL, temporary_settings

from common.errors import ConfigError
from flows.prefect_api import (
    PrefectOutdated,
    PrefectRefuses,
    PrefectUnreachable,
    answers_without_credentials,
    check_prefect_reachable,
)
from tests.support.http_servers import Respond, http_response, stub_server

SECONDS = 30.0


async def never(_head: bytes, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def drop(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def drip(_head: bytes, writer: asyncio.StreamWriter) -> None:
    """Send a response that never ends, byte by byte."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
    while True:
        writer.write(b'"')
        await writer.drain()
        await asyncio.sleep(0.1)


NO_PREFECT = "what answers at .* is no Prefect API"
CASES: dict[str, tuple[Respond | bytes, type[ConfigError], str]] = {
    "a page": (
        http_response(b"<html>Welcome</html>", content_type="text/html"),
        PrefectUnreachable,
        NO_PREFECT,
    ),
    "an empty body": (http_response(b""), PrefectUnreachable, NO_PREFECT),
    "true": (http_response(b"true"), PrefectUnreachable, NO_PREFECT),
    "another text": (http_response(b'"hello"'), PrefectUnreachable, NO_PREFECT),
    "an object": (http_response(b'{"version": "3.8.8"}'), PrefectUnreachable, NO_PREFECT),
    "a redirect": (
        http_response(b"", "302 Found", location="/"),
        PrefectUnreachable,
        "no Prefect API answers",
    ),
    "404": (http_response(b"", "404 Not Found"), PrefectUnreachable, NO_PREFECT + r" \(HTTP 404\)"),
    "500": (http_response(b"", "500 Broken"), PrefectUnreachable, NO_PREFECT + r" \(HTTP 500\)"),
    "503": (http_response(b"", "503 Later"), PrefectUnreachable, "no Prefect API answers at"),
    "401": (http_response(b"{}", "401 Unauthorized"), PrefectRefuses, "rejects the credentials"),
    "403": (http_response(b"{}", "403 Forbidden"), PrefectRefuses, "rejects the credentials"),
    "an old Prefect": (http_response(b'"2.20.1"'), PrefectOutdated, r"Prefect 2\.20\.1 answers at"),
    "a newer Prefect": (http_response(b'"4.0.0rc1"'), PrefectOutdated, r"Prefect 4\.0\.0rc1 answers at"),
    "no answer": (never, PrefectUnreachable, "no Prefect API answers at"),
    "a closed connection": (drop, PrefectUnreachable, "no Prefect API answers at"),
    "an answer without end": (drip, PrefectUnreachable, "no Prefect API answers at"),
}


async def ask(respond: Respond | bytes, seconds: float = SECONDS) -> str:
    """Return the version of what answers as `respond` does, within so many seconds."""
    async with stub_server(respond) as server:
        address = f"{server.url.replace('//', '//me:planted@')}/api"
        with temporary_settings({PREFECT_API_URL: address}):
            async with asyncio.timeout(60):
                return await check_prefect_reachable(seconds)


@pytest.mark.slow
@pytest.mark.parametrize(("respond", "kind", "message"), CASES.values(), ids=CASES)
def test_what_is_no_prefect_api_of_ours_is_refused_soon(
    respond: Respond | bytes, kind: type[ConfigError], message: str
) -> None:
    # Where nothing answers, the time is used up.
    seconds = 1.0 if message.startswith("no Prefect API answers") else SECONDS
    with pytest.raises(kind, match=message) as error:
        asyncio.run(ask(respond, seconds))
    assert type(error.value) is kind
    assert "planted" not in str(error.value)
    assert "\n" not in str(error.value)


def test_guard_other_minor_versions_are_used() -> None:
    assert asyncio.run(ask(http_response(b'"3.0.0"'))) == "3.0.0"


def test_closed_port_is_told_at_once() -> None:
    """New: Prefect's client tried again for as long as it was allowed to."""
    problem = "no Prefect API answers at http://127.0.0.1:9/api: connection refused: nothing listens there"
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(PrefectUnreachable, match=problem),
    ):
        asyncio.run(check_prefect_reachable(seconds=3600))


def test_what_is_no_prefect_api_is_open_to_nobody() -> None:
    """New: a page with the status 200 was called a Prefect API that answers without credentials."""

    async def is_open(respond: bytes) -> bool:
        async with stub_server(respond) as server:
            return await answers_without_credentials(f"{server.url}/api")

    assert not asyncio.run(is_open(http_response(b"<html>")))
    assert asyncio.run(is_open(http_response(b'"3.8.8"')))


@pytest.mark.parametrize(
    ("url", "settings", "proxy"),
    [
        pytest.param(
            "https://127.0.0.1:9/api", {PREFECT_API_SSL_CERT_FILE: "/nowhere"}, "", id="certificates"
        ),
        pytest.param("http://127.0.0.1:9/api", {}, "socks5://me:planted@127.0.0.1:1", id="SOCKS"),
        pytest.param("http://127.0.0.1:9/api", {}, "ht!tp://me:planted@:x", id="no proxy"),
    ],
)
def test_client_that_cannot_be_made_is_one_line(
    monkeypatch: pytest.MonkeyPatch, url: str, settings: dict[Any, str], proxy: str
) -> None:
    """New: a missing file without a name, and Prefect that fails."""
    for name in ("NO_PROXY", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    with (
        temporary_settings({PREFECT_API_URL: url, **settings}),
        pytest.raises(ConfigError, match="check PREFECT_API_SSL_CERT_FILE, SSL_CERT_FILE") as error,
    ):
        asyncio.run(check_prefect_reachable(SECONDS))
    assert "planted" not in str(error.value)

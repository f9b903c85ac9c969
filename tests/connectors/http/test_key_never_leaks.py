"""The key is sent in one header to one host and appears nowhere else: in no error, at no log level."""

import asyncio
import copy
import logging
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from common import errors
from common.clock import SystemClock
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import BearerAuth, Key, read_key
from connectors.http.retry import RetryPolicy
from connectors.pages import PageBuilder
from connectors.pagination import PageInfo
from connectors.shards import Shard
from sandbox.core import Sandbox
from tests.support.clocks import VirtualClock
from tests.support.http_servers import http_response, stub_server
from tests.support.secrets import SECRET, assert_no_secret, render_exception

CATALOG = Shard(0, "cs2cap", "USD", ("steam",), None)


async def extract_with_secret(
    url: str, *, deadline: float = 60.0, cancel: bool = False
) -> BaseException | None:
    """Extract a shard with the secret key; return the error."""
    retry = RetryPolicy(attempts=2, base=0.001)
    client = CS2Cap(
        Cs2capClient("cs2cap", url, Key(SECRET), SystemClock(), retry=retry, deadline=deadline), page_limit=20
    )

    async def sink(build: PageBuilder) -> PageInfo:
        return build()[1]

    extraction = asyncio.create_task(client.extract(CATALOG, sink))
    if cancel:
        await asyncio.sleep(0.2)
        extraction.cancel()
    outcome = (await asyncio.gather(extraction, return_exceptions=True))[0]
    await client.aclose()
    return outcome if isinstance(outcome, BaseException) else None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "revoke_key"}, errors.KeyRevoked),
        ({"kind": "rate_limited", "retry_after": 500}, errors.RateLimited),
        ({"kind": "status_500"}, errors.Unavailable),
        ({"kind": "drop"}, errors.ConnectionLost),
        ({"kind": "truncate"}, errors.ConnectionLost),
        ({"kind": "html"}, errors.Unavailable),
        ({"kind": "redirect"}, errors.UnexpectedResponse),
        ({"kind": "endless"}, errors.PaginationError),
        ({"kind": "latency", "seconds": 3600}, errors.RequestTimeout),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else value.__name__,
)
@pytest.mark.parametrize("after", [0, 2])
def test_no_error_shows_the_key(
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    fault: dict[str, object],
    kind: type[errors.SourceError],
    after: int,
) -> None:
    sandbox.key(SECRET)
    sandbox.fault(**{"times": None, "after": after, **fault})  # type: ignore[arg-type]
    with caplog.at_level(logging.DEBUG):
        deadline = 0.5 if fault["kind"] == "latency" else 60.0
        error = asyncio.run(extract_with_secret(sandbox.url, deadline=deadline))
    assert isinstance(error, kind)
    assert caplog.records, "httpx and httpcore log at DEBUG"
    assert_no_secret(render_exception(error), caplog.text, *map(repr, caplog.records))
    assert_no_secret(*(str(vars(record)) for record in caplog.records))


def test_cancelled_extraction_does_not_show_the_key(sandbox: Sandbox) -> None:
    sandbox.key(SECRET)
    sandbox.fault("latency", seconds=3600, times=None)
    error = asyncio.run(extract_with_secret(sandbox.url, cancel=True))
    assert isinstance(error, asyncio.CancelledError)
    assert_no_secret(render_exception(error))


def test_no_error_has_an_httpx_exception_in_its_chain() -> None:
    error = asyncio.run(extract_with_secret("http://127.0.0.1:9"))
    seen: list[BaseException] = []
    while error is not None:
        seen.append(error)
        error = error.__cause__ or error.__context__
    assert all(isinstance(one, errors.SourceError) for one in seen)
    assert seen


@pytest.mark.parametrize("status", ["401 Unauthorized", "302 Found", "500 Oops"])
def test_key_in_a_response_is_not_shown(status: str, caplog: pytest.LogCaptureFixture) -> None:
    body = f'{{"code": "{SECRET}", "detail": "bad key Bearer {SECRET}"}}'.encode()

    async def main() -> BaseException | None:
        async with stub_server(http_response(body, status)) as server:
            return await extract_with_secret(server.url)

    error = asyncio.run(main())
    assert isinstance(error, errors.SourceError)
    assert_no_secret(str(error), repr(error), repr(vars(error)))


def test_key_does_not_follow_a_redirect_to_another_host(sandbox: Sandbox) -> None:
    async def main() -> tuple[BaseException | None, list[bytes]]:
        async with stub_server(http_response(b"{}")) as elsewhere:
            sandbox.fault("redirect", location=f"{elsewhere.url}/v1/prices", times=None)
            return await extract_with_secret(sandbox.url), elsewhere.heads

    sandbox.key(SECRET)
    error, heads = asyncio.run(main())
    assert isinstance(error, errors.UnexpectedResponse)
    assert heads == []


def test_key_is_sent_in_its_header_only() -> None:
    async def main() -> list[bytes]:
        async with stub_server(http_response(b"{}")) as server:
            await extract_with_secret(server.url)
            return server.heads

    for head in asyncio.run(main()):
        line, _, fields = head.partition(b"\r\n")
        assert SECRET.encode() not in line
        assert fields.count(SECRET.encode()) == 1
        assert f"authorization: bearer {SECRET}".encode() in fields.lower()


class Url:
    """The part of an address that the auth reads."""

    def __init__(self, scheme: str, host: str, port: int | None) -> None:
        self.scheme, self.host, self.port = scheme, host, port


class Request:
    """The part of a request that the auth reads and writes."""

    def __init__(self, url: Url) -> None:
        self.url = url
        self.headers: dict[str, str] = {}


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        (Url("https", "api.example", None), True),
        (Url("https", "api.example", 443), True),
        (Url("https", "API.example", None), True),
        (Url("http", "api.example", None), False),
        (Url("https", "api.example", 8443), False),
        (Url("https", "api.example.evil", None), False),
        (Url("https", "evil.example", None), False),
    ],
)
def test_key_goes_to_its_own_scheme_host_and_port_only(url: Url, sent: bool) -> None:
    request = BearerAuth(Key(SECRET), "https://api.example")(Request(url))
    assert request.headers == ({"Authorization": f"Bearer {SECRET}"} if sent else {})


def test_key_shows_only_its_tail() -> None:
    key = Key(SECRET)
    assert (str(key), repr(key), f"{key}", key.tail) == (*["Key(…tail)"] * 3, "tail")
    assert len(key.fingerprint) == 12
    assert key.fingerprint == Key(SECRET).fingerprint != Key(SECRET + "x").fingerprint
    assert Key("short").tail == ""
    assert key.reveal() == SECRET


@pytest.mark.parametrize("copy_key", [pickle.dumps, copy.copy, copy.deepcopy])
def test_key_cannot_be_pickled_or_copied(copy_key: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        copy_key(Key(SECRET))


@pytest.mark.parametrize("secret", ["", "two words", "line\nbreak", "schlüssel", "nul\0"])
def test_text_that_no_header_can_carry_is_no_key(secret: str) -> None:
    with pytest.raises(errors.KeyInvalid) as caught:
        Key(secret, "cs2cap")
    assert not secret or secret not in render_exception(caught.value).split("auth.py")[-1]


def test_key_from_the_environment() -> None:
    assert read_key("env:CS2C_API_KEY", "cs2cap", {"CS2C_API_KEY": f" {SECRET}\n"}).reveal() == SECRET


@pytest.mark.parametrize("env", [{}, {"CS2C_API_KEY": "  "}])
def test_missing_key_names_the_variable_to_set(env: dict[str, str]) -> None:
    with pytest.raises(errors.KeyMissing, match="CS2C_API_KEY is not set") as caught:
        read_key("env:CS2C_API_KEY", "cs2cap", {**env, "ANOTHER": SECRET})
    assert_no_secret(render_exception(caught.value))


def test_key_from_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    assert read_key(f"file:{path}", "cs2cap", {}).reveal() == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_key_file_that_others_can_open_is_rejected(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET)
    path.chmod(mode)
    with pytest.raises(errors.ConfigError, match="chmod 600") as caught:
        read_key(f"file:{path}", "cs2cap", {})
    assert_no_secret(render_exception(caught.value))


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_key_file_without_a_key(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(errors.KeyMissing, match=str(path)):
        read_key(f"file:{path}", "cs2cap", {})


@pytest.mark.parametrize("spec", [SECRET, f"key:{SECRET}", "env:", "file:", "", f"{SECRET}:x"])
def test_key_in_the_configuration_itself_is_rejected_and_not_shown(spec: str) -> None:
    with pytest.raises(errors.ConfigError, match="never as itself") as caught:
        read_key(spec, "cs2cap", {})
    assert_no_secret(str(caught.value), repr(caught.value))


def test_attributes_of_the_client_do_not_show_the_key() -> None:
    client = Cs2capClient("cs2cap", "https://api.example", Key(SECRET), VirtualClock())
    assert_no_secret(repr(client), *(repr(part) for part in vars(client).values()))
    assert_no_secret(repr(BearerAuth(Key(SECRET), "https://api.example")))
    asyncio.run(client.aclose())

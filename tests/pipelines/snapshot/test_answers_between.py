"""What something between Floorline and the API answers, and the outcome: of a run, and of the next one."""

from __future__ import annotations

import dataclasses
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from backports import zstd

from pipelines.results import RunResult
from tests.support.cases import slow_but
from tests.support.http_servers import http_response
from tests.support.interposer import Answer, Interposer, sandbox_behind_interposer
from tests.support.snapshots import Bench, basket

ACCOUNT, PRICES = "/v1/account/key", "/v1/prices"
INVALID = json.dumps({"code": "AUTH_INVALID_API_KEY", "detail": "Unknown key"}).encode()
HTML = b"<html><title>Just a moment...</title></html>"
PLACE = "something answers in the API's place"


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """An answer to requests for `path`, `times` of them or all, and the outcome of the run that meets it.

    `answered` is how many requests got the answer. `old` cases were right before.
    """

    id: str
    path: str
    answer: Answer
    exit_code: int
    state: str
    alert: str | None = None
    says: str = ""
    answered: int = 1
    times: int | None = None
    next_exit_code: int = 0
    rows: int = 0
    old: bool = False


def html(status: str, **headers: str) -> bytes:
    return http_response(HTML, status, content_type="text/html", **headers)


def coded(body: bytes, coding: str, status: str = "401 Unauthorized", **headers: str) -> bytes:
    return http_response(body, status, content_encoding=coding, **headers)


def intercepted(id: str, answer: Answer, path: str = ACCOUNT) -> Case:  # noqa: A002 - the id of the case
    """A case of a verdict about the key that the API has not given: one request, no alert of the key."""
    return Case(id, path, answer, 3, "incomplete", alert="snapshot.incomplete", says=PLACE)


def rejected(id: str, answer: Answer, *, old: bool = False) -> Case:  # noqa: A002 - the id of the case
    """A case of a rejected key: one request, and none in the next run."""
    return Case(id, ACCOUNT, answer, 4, "auth_failed", alert="auth.failed", next_exit_code=4, old=old)


def unreadable(id: str, answer: Answer, says: str) -> Case:  # noqa: A002 - the id of the case
    """A case of a page that is refused; each of two items asks for one."""
    return Case(id, PRICES, answer, 3, "incomplete", alert="snapshot.incomplete", says=says, answered=2)


def passed(id: str, path: str, answer: Answer, *, old: bool) -> Case:  # noqa: A002 - the id of the case
    """A case of one answer that is no reason to stop: the run is complete."""
    return Case(id, path, answer, 0, "done", times=1, rows=2, old=old)


ENDLESS = [http_response(b"", content_length="").replace(b"content-length: \r\n", b""), *[b" " * 2**20] * 100]
CASES = [
    # A
    intercepted("401, a page", html("401 Unauthorized")),
    intercepted("403, a page", html("403 Forbidden")),
    intercepted("401, nothing", http_response(b"", "401 Unauthorized")),
    intercepted("403, nothing, and no type", http_response(b"", "403 Forbidden", content_type="")),
    intercepted("403, JSON of a gateway", http_response(b'{"message": "Forbidden"}', "403 Forbidden")),
    intercepted("402, a page", html("402 Payment Required")),
    intercepted("407", html("407 Proxy Authentication Required")),
    intercepted("511", html("511 Network Authentication Required")),
    intercepted("302 to a login", html("302 Found", location="https://login.example/?token=1")),
    intercepted("302 to no address", html("302 Found", location="http://[login.example/")),
    dataclasses.replace(
        intercepted("403 for prices only", html("403 Forbidden"), path=PRICES), says="", answered=2
    ),
    passed("200, a page, once", ACCOUNT, html("200 OK"), old=True),
    # B
    rejected("401, gzip in capitals", coded(gzip.compress(INVALID), "GZIP")),
    rejected("401, zstd", coded(zstd.compress(INVALID), "zstd")),
    rejected("401, brotli", coded(b"\x1b\x00\xf8", "br")),
    rejected("401, cut", http_response(INVALID[:30], "401 No", content_length="500")),
    rejected("401, broken gzip", coded(INVALID, "gzip")),
    rejected(
        "401, three megabytes", http_response(INVALID[:-2] + b"x" * 3 * 2**20 + b'"}', "401 No"), old=True
    ),
    passed("429, brotli", ACCOUNT, coded(b"\x1b", "br", "429 Slow", retry_after="0"), old=False),
    passed(
        "503, cut", PRICES, http_response(b"{", "503 Down", content_length="9", retry_after="0"), old=True
    ),
    passed("503, a page", PRICES, html("503 Down"), old=True),
    # L
    unreadable(
        "nested 100,000 deep", http_response(b'{"items":' + b"[" * 10**5 + b"]" * 10**5 + b"}"), "nests"
    ),
    unreadable("a body without end", ENDLESS, "without end"),
    unreadable(
        "gzip of 200 MB",
        coded(gzip.compress(b" " * 200 * 2**20, 1), "gzip", "200 OK"),
        "without end",
    ),
    unreadable(
        "deflate of 3 million values",
        coded(zlib.compress(b"[" + b"1," * 3_000_000 + b"1]"), "deflate", "200 OK"),
        "more values",
    ),
]


@pytest.fixture(scope="module")
def front() -> Iterator[Interposer]:
    """A sandbox behind an interposer."""
    with sandbox_behind_interposer() as between:
        yield between


def snapshot(bench: Bench) -> RunResult:
    return bench.snapshot()[0]


QUICK = {"401, a page", "302 to a login", "401, zstd", "429, brotli", "nested 100,000 deep"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", slow_but(QUICK, {f"{'guard: ' * case.old}{case.id}": (case,) for case in CASES})
)
def test_answer_in_the_place_of_the_api(tmp_path: Path, front: Interposer, case: Case) -> None:
    bench = Bench.create(tmp_path, {"cs2cap": front.url}, basket())
    with front.answering(case.path, case.answer, case.times):
        result = snapshot(bench)
    assert (result.exit_code, result.state) == (case.exit_code, case.state)
    assert len(front.answered) == case.answered
    assert [alert.cause for alert in bench.alerts()] == [case.alert] * (case.alert is not None)
    assert case.says in str(result.error or result.incomplete_reason)
    assert len(bench.quotes()) == case.rows
    received = len(front.received)
    assert snapshot(bench).exit_code == case.next_exit_code
    assert (len(front.received) == received) == (case.next_exit_code == 4)

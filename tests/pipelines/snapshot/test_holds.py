"""A Retry-After that is longer than a run waits: said, kept for the next runs, and shown in the status."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.cases import slow_but
from tests.support.http_servers import http_response
from tests.support.interposer import Interposer, sandbox_behind_interposer
from tests.support.json_outputs import read_result
from tests.support.snapshots import Bench, basket, main_with

ACCOUNT, PRICES = "/v1/account/key", "/v1/prices"
BURST = json.dumps({"code": "RATE_LIMIT_EXCEEDED", "detail": "Too Many Requests"}).encode()
DOWN = json.dumps({"code": "PRICES_INDEX_UNAVAILABLE", "detail": "Down"}).encode()
LAST = "Fri, 31 Dec 9999 23:59:59 GMT"
NOON = "Mon, 01 Jun 2026 12:00:00 GMT"


@pytest.fixture(scope="module")
def front() -> Iterator[Interposer]:
    """A sandbox behind an interposer."""
    with sandbox_behind_interposer() as between:
        yield between


# What answers which path, and for how many hours nothing is sent then.
ANSWERS: dict[str, tuple[str, bytes, int]] = {
    "the account": (ACCOUNT, http_response(BURST, "429 Slow", retry_after="7200"), 2),
    "a page": (PRICES, http_response(BURST, "429 Slow", retry_after="7200"), 2),
    "503": (PRICES, http_response(DOWN, "503 Down", retry_after="7200"), 2),
    "503 in brotli": (
        PRICES, http_response(b"", "503 Down", retry_after="7200", content_encoding="br"), 2,
    ),
    "the year 9999": (PRICES, http_response(BURST, "429 Slow", retry_after=LAST, date=NOON), 24),
    "the year 9999, and no Date": (PRICES, http_response(DOWN, "503 Down", retry_after=LAST), 24),
    "two lines": (PRICES, http_response(BURST, "429 Slow", retry_after="7200\r\nretry-after: 7200"), 2),
    "10^300 seconds": (PRICES, http_response(BURST, "429 Slow", retry_after="1e300"), 24),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("path", "answer", "hours"), slow_but({"a page", "the year 9999"}, ANSWERS))
def test_long_retry_after_holds_every_later_run(
    tmp_path: Path, front: Interposer, no_prefect: None, path: str, answer: bytes, hours: int
) -> None:
    bench = Bench.create(tmp_path, {"cs2cap": front.url}, basket())
    with front.answering(path, answer, times=1):
        (first,) = bench.snapshot()
    asked = first.incomplete_reason or ""
    assert (first.exit_code, first.state, len(front.answered)) == (3, "incomplete", 1)
    assert "asks to send nothing until" in asked
    received = len(front.received)
    (second,) = bench.snapshot()
    assert (second.exit_code, second.state, second.requests) == (3, "incomplete", 0)
    assert "nothing was sent" in str(second.error)
    assert len(front.received) == received
    assert [alert.cause for alert in bench.alerts()] == ["snapshot.incomplete"]
    shown = main_with("status", "--config", str(bench.config))
    assert "cs2cap: asked to send nothing until 2" in shown.out
    (until,) = read_result(main_with("status", "--json", "--config", str(bench.config)).out)["holds"].values()
    assert until[:16].replace("T", " ") in asked
    left = datetime.fromisoformat(until) - datetime.now(UTC)
    assert timedelta(hours=hours) - timedelta(minutes=2) < left <= timedelta(hours=hours)
    bench.config.write_text(bench.config.read_text().replace("cs2cap.key", "other.key"))
    (tmp_path / "other.key").write_text("another_key_of_the_account")
    (tmp_path / "other.key").chmod(0o600)
    (other,) = bench.snapshot()
    assert other.state == "auth_failed", "another key is not held, and the sandbox does not know it"

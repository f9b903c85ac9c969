"""The full streams of the sandbox: their rows, their headers, who may start one and how often."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sandbox.clock import parse_iso
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import TIERS, VALID_KEY
from sandbox.market.providers import KEYS
from sandbox.market.sides import BIDS

Make = Callable[..., Sandbox]
PATHS = ("/v1/prices", "/v1/bids")


def stream(
    box: Sandbox, path: str = "/v1/prices", key: str = VALID_KEY, encoding: str = "gzip", **query: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": encoding}
    return httpx.post(box.url + path, params=query, headers=headers)


def as_frame(answer: httpx.Response, like: pl.DataFrame) -> pl.DataFrame:
    """Rows of a stream in the columns of the ledger."""

    def cell(row: dict[str, Any], name: str) -> Any:
        value = row[name]
        is_moment = name in {"timestamp", "last_updated"} and value is not None
        return parse_iso(value) if is_moment else value

    rows = [json.loads(line) for line in answer.text.splitlines()]
    return pl.DataFrame(
        [[cell(row, name) for name in like.columns] for row in rows], like.schema, orient="row"
    )


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("providers", [[], ["youpin", "steam"]], ids=["all", "some"])
def test_a_stream_is_the_ledger(sandbox: Sandbox, encoding: str, path: str, providers: list[str]) -> None:
    answer = stream(sandbox, path, encoding=encoding, providers=providers)
    expected = sandbox.ledger(providers=providers or None, bids=path == BIDS.path)
    assert answer.headers.get("Content-Encoding", "identity") == encoding
    assert "Content-Length" not in answer.headers
    assert_frame_equal(as_frame(answer, expected), expected)
    told = {name: value for name, value in answer.headers.items() if name.startswith("x-snapshot")}
    assert told == {
        "x-snapshot-timestamp": "2026-06-01T12:00:00Z",
        "x-snapshot-currency": "USD",
        "x-snapshot-total": str(expected.height),
    }
    assert answer.headers["Content-Type"] == "application/x-ndjson"


def test_a_stream_lists_phases_and_no_aggregates(sandbox: Sandbox) -> None:
    rows = [json.loads(line) for line in stream(sandbox).text.splitlines()]
    doppler = [row["phase"] for row in rows if "Doppler" in row["market_hash_name"]]
    assert doppler
    assert None not in doppler
    assert all("phase" in row and "url" in row for row in rows)


@pytest.mark.parametrize(
    "change",
    [
        lambda box: box.move(3),
        lambda box: box.vanish(1),
        lambda box: box.set_provider_dark("steam"),
        lambda box: box.advance(60),
    ],
    ids=["move", "vanish", "dark", "time"],
)
def test_a_kept_stream_is_rendered_again_when_it_changed(
    sandbox: Sandbox, change: Callable[[Sandbox], object]
) -> None:
    before = stream(sandbox).content
    assert sandbox.render() is sandbox.render()
    change(sandbox)
    after = stream(sandbox)
    assert after.content != before
    assert_frame_equal(as_frame(after, sandbox.ledger()), sandbox.ledger())


@pytest.mark.parametrize("tier", ["free", "starter"])
@pytest.mark.parametrize("path", PATHS)
def test_a_small_plan_has_no_streams(make_sandbox: Make, tier: str, path: str) -> None:
    answer = stream(make_sandbox(tier=tier), path)
    detail = f"Bulk snapshot access for {path} is not enabled for this tier."
    assert (answer.status_code, answer.json()) == (403, {"code": "FORBIDDEN", "detail": detail})


@pytest.mark.parametrize(("tier", "starts"), [("pro", 50), ("quant", 300)])
def test_starts_are_counted_in_24_hours(make_sandbox: Make, tier: str, starts: int) -> None:
    box = make_sandbox(items=30, tier=tier, limits=True)
    assert TIERS[tier].streams == starts
    box.key(VALID_KEY).set_streams_left(2, box.clock.now())
    box.advance(3600)
    told = [dict(stream(box, providers="steam").headers) for _ in range(2)]
    names = ("limit", "remaining", "reset")
    assert [[one[f"x-ratelimit-{name}"] for name in names] for one in told] == [
        [str(starts), "1", "82800"],
        [str(starts), "0", "82800"],
    ]
    refused = stream(box)
    assert refused.status_code == 429
    assert refused.json() == {
        "code": "RATE_LIMIT_STREAM_QUOTA_EXCEEDED",
        "detail": f"Bulk stream quota exhausted for /v1/prices. Limit {starts} per 24 hours.",
    }
    assert refused.headers["Retry-After"] == refused.headers["X-RateLimit-Reset"] == "82800"
    box.advance(82_799)
    assert stream(box).status_code == 429
    box.advance(1)
    assert stream(box).headers["X-RateLimit-Remaining"] == str(starts - 3)


def test_each_stream_has_a_quota_of_its_own(make_sandbox: Make) -> None:
    box = make_sandbox(items=30, limits=True)
    box.key(VALID_KEY).set_streams_left(1, box.clock.now())
    assert [stream(box, path).status_code for path in (*PATHS, *PATHS)] == [200, 200, 429, 429]


def test_lifted_limits_count_no_starts(make_sandbox: Make) -> None:
    box = make_sandbox(items=30)
    box.key(VALID_KEY).set_streams_left(0, box.clock.now())
    answer = stream(box)
    assert answer.status_code == 200
    assert "X-RateLimit-Limit" not in answer.headers


def test_a_stream_costs_one_request_of_the_month_and_tells_of_its_starts(make_sandbox: Make) -> None:
    box = make_sandbox(items=30, limits=True)
    key = box.key(VALID_KEY)
    box.keys.set_remaining(VALID_KEY, 2, box.clock.now())
    assert stream(box).headers["X-RateLimit-Limit"] == "50"
    assert key.monthly - key.used == 1
    assert [stream(box).status_code for _ in range(2)] == [200, 429]
    assert stream(box).json()["code"] == "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED"


def test_a_wrong_provider_is_no_start(make_sandbox: Make) -> None:
    box = make_sandbox(items=30, limits=True)
    assert stream(box, providers="nobody").json()["detail"][0]["loc"] == ["query", "providers", 0]
    assert stream(box).headers["X-RateLimit-Remaining"] == "49"


def test_one_stream_at_a_time_for_each_key_and_path(sandbox: Sandbox) -> None:
    sandbox.key("another", tier="pro")
    sandbox.fault("stall", seconds=0.5, method="POST")
    headers = {"Authorization": f"Bearer {VALID_KEY}"}
    with httpx.stream("POST", sandbox.url + "/v1/prices", headers=headers) as first:
        second = stream(sandbox)
        assert (second.status_code, second.json()["code"]) == (409, "STREAM_ALREADY_ACTIVE")
        assert second.headers["Retry-After"] == "1"
        assert stream(sandbox, "/v1/bids").status_code == 200
        assert stream(sandbox, key="another").status_code == 200
        rows = sum(1 for _ in first.iter_lines())
    assert rows == sandbox.ledger().height
    assert stream(sandbox).status_code == 200


@pytest.mark.parametrize("fault", [{"kind": "truncate"}, {"kind": "lost_answer"}, {"kind": "drop"}])
def test_a_broken_stream_is_over(sandbox: Sandbox, fault: dict[str, Any]) -> None:
    sandbox.fault(**fault)
    with pytest.raises(httpx.RemoteProtocolError):
        stream(sandbox)
    assert stream(sandbox).status_code == 200


def test_a_client_that_leaves_ends_its_stream(sandbox: Sandbox) -> None:
    sandbox.fault("stall", seconds=0.2)
    headers = {"Authorization": f"Bearer {VALID_KEY}"}
    with httpx.stream("POST", sandbox.url + "/v1/prices", headers=headers) as answer:
        next(answer.iter_raw())
    statuses = (stream(sandbox).status_code for _ in range(2000))
    assert next(status for status in statuses if status != 409) == 200


def test_the_moment_of_a_stream_is_that_of_its_rows(sandbox: Sandbox) -> None:
    sandbox.advance(90.5)
    answer = stream(sandbox, providers="steam")
    started = datetime.fromisoformat(answer.headers["X-Snapshot-Timestamp"])
    assert started == sandbox.clock.now()
    seen = sandbox.ledger(started, providers=["steam"])
    assert_frame_equal(as_frame(answer, seen), seen)
    assert started - seen["last_updated"].max() < timedelta(minutes=1)  # type: ignore[operator]


def test_a_stream_has_no_other_currency_and_no_items(sandbox: Sandbox) -> None:
    asked = stream(sandbox, providers="steam", currency="EUR", item_id=1)
    assert asked.content == stream(sandbox, providers="steam").content
    assert set(KEYS) > {json.loads(line)["provider"] for line in asked.text.splitlines()} == {"steam"}

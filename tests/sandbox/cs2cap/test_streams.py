"""The full streams: their rows and headers, access, and the limit of starts."""

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
from tests.support import patient
from tests.support.sandboxes import MakeSandbox

PATHS = ("/v1/prices", "/v1/bids")


def post_stream(
    sandbox: Sandbox, path: str = "/v1/prices", key: str = VALID_KEY, encoding: str = "gzip", **query: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": encoding}
    return patient.post(sandbox.url + path, params=query, headers=headers)


def as_frame(response: httpx.Response, expected: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a stream in the columns of the ledger."""

    def cell(row: dict[str, Any], name: str) -> Any:
        value = row[name]
        is_time = name in {"timestamp", "last_updated"} and value is not None
        return parse_iso(value) if is_time else value

    rows = [json.loads(line) for line in response.text.splitlines()]
    return pl.DataFrame(
        [[cell(row, name) for name in expected.columns] for row in rows], expected.schema, orient="row"
    )


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("providers", [[], ["youpin", "steam"]], ids=["all", "some"])
def test_stream_equals_the_ledger(sandbox: Sandbox, encoding: str, path: str, providers: list[str]) -> None:
    response = post_stream(sandbox, path, encoding=encoding, providers=providers)
    expected = sandbox.ledger(providers=providers or None, bids=path == BIDS.path)
    assert response.headers.get("Content-Encoding", "identity") == encoding
    assert "Content-Length" not in response.headers
    assert_frame_equal(as_frame(response, expected), expected)
    headers = {name: value for name, value in response.headers.items() if name.startswith("x-snapshot")}
    assert headers == {
        "x-snapshot-timestamp": "2026-06-01T12:00:00Z",
        "x-snapshot-currency": "USD",
        "x-snapshot-total": str(expected.height),
    }
    assert response.headers["Content-Type"] == "application/x-ndjson"


def test_stream_has_phases_and_no_aggregates(sandbox: Sandbox) -> None:
    rows = [json.loads(line) for line in post_stream(sandbox).text.splitlines()]
    doppler = [row["phase"] for row in rows if "Doppler" in row["market_hash_name"]]
    assert doppler
    assert None not in doppler
    assert all("phase" in row and "url" in row for row in rows)


@pytest.mark.parametrize(
    "change",
    [
        lambda sandbox: sandbox.move(3),
        lambda sandbox: sandbox.vanish(1),
        lambda sandbox: sandbox.set_provider_dark("steam"),
        lambda sandbox: sandbox.advance(60),
    ],
    ids=["move", "vanish", "dark", "time"],
)
def test_cached_stream_is_rendered_again_after_a_change(
    sandbox: Sandbox, change: Callable[[Sandbox], object]
) -> None:
    before = post_stream(sandbox).content
    assert sandbox.render() is sandbox.render()
    change(sandbox)
    after = post_stream(sandbox)
    assert after.content != before
    assert_frame_equal(as_frame(after, sandbox.ledger()), sandbox.ledger())


@pytest.mark.parametrize("tier", ["free", "starter"])
@pytest.mark.parametrize("path", PATHS)
def test_small_plan_has_no_streams(make_sandbox: MakeSandbox, tier: str, path: str) -> None:
    response = post_stream(make_sandbox(tier=tier), path)
    detail = f"Bulk snapshot access for {path} is not enabled for this tier."
    assert (response.status_code, response.json()) == (403, {"code": "FORBIDDEN", "detail": detail})


@pytest.mark.parametrize(("tier", "starts"), [("pro", 50), ("quant", 300)])
def test_starts_are_limited_in_24_hours(make_sandbox: MakeSandbox, tier: str, starts: int) -> None:
    sandbox = make_sandbox(items=30, tier=tier, limits=True)
    assert TIERS[tier].streams == starts
    sandbox.key(VALID_KEY).set_streams_left(2, sandbox.clock.now())
    sandbox.advance(3600)
    headers = [dict(post_stream(sandbox, providers="steam").headers) for _ in range(2)]
    names = ("limit", "remaining", "reset")
    assert [[each[f"x-ratelimit-{name}"] for name in names] for each in headers] == [
        [str(starts), "1", "82800"],
        [str(starts), "0", "82800"],
    ]
    refused = post_stream(sandbox)
    assert refused.status_code == 429
    assert refused.json() == {
        "code": "RATE_LIMIT_STREAM_QUOTA_EXCEEDED",
        "detail": f"Bulk stream quota exhausted for /v1/prices. Limit {starts} per 24 hours.",
    }
    assert refused.headers["Retry-After"] == refused.headers["X-RateLimit-Reset"] == "82800"
    sandbox.advance(82_799)
    assert post_stream(sandbox).status_code == 429
    sandbox.advance(1)
    assert post_stream(sandbox).headers["X-RateLimit-Remaining"] == str(starts - 3)


def test_each_stream_has_its_own_quota(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(items=30, limits=True)
    sandbox.key(VALID_KEY).set_streams_left(1, sandbox.clock.now())
    assert [post_stream(sandbox, path).status_code for path in (*PATHS, *PATHS)] == [200, 200, 429, 429]


def test_disabled_limits_allow_any_number_of_starts(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(items=30)
    sandbox.key(VALID_KEY).set_streams_left(0, sandbox.clock.now())
    response = post_stream(sandbox)
    assert response.status_code == 200
    assert "X-RateLimit-Limit" not in response.headers


def test_stream_costs_one_request_of_the_month_and_reports_its_starts(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(items=30, limits=True)
    key = sandbox.key(VALID_KEY)
    sandbox.keys.set_remaining(VALID_KEY, 2, sandbox.clock.now())
    assert post_stream(sandbox).headers["X-RateLimit-Limit"] == "50"
    assert key.monthly - key.used == 1
    assert [post_stream(sandbox).status_code for _ in range(2)] == [200, 429]
    assert post_stream(sandbox).json()["code"] == "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED"


def test_wrong_provider_does_not_count_as_a_start(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(items=30, limits=True)
    assert post_stream(sandbox, providers="nobody").json()["detail"][0]["loc"] == ["query", "providers", 0]
    assert post_stream(sandbox).headers["X-RateLimit-Remaining"] == "49"


def test_one_stream_at_a_time_per_key_and_path(sandbox: Sandbox) -> None:
    sandbox.key("another", tier="pro")
    sandbox.fault("stall", seconds=0.5, method="POST")
    headers = {"Authorization": f"Bearer {VALID_KEY}"}
    with patient.stream("POST", sandbox.url + "/v1/prices", headers=headers) as first:
        second = post_stream(sandbox)
        assert (second.status_code, second.json()["code"]) == (409, "STREAM_ALREADY_ACTIVE")
        assert second.headers["Retry-After"] == "1"
        assert post_stream(sandbox, "/v1/bids").status_code == 200
        assert post_stream(sandbox, key="another").status_code == 200
        rows = sum(1 for _ in first.iter_lines())
    assert rows == sandbox.ledger().height
    assert post_stream(sandbox).status_code == 200


@pytest.mark.parametrize("fault", [{"kind": "truncate"}, {"kind": "lost_answer"}, {"kind": "drop"}])
def test_broken_stream_is_no_longer_active(sandbox: Sandbox, fault: dict[str, Any]) -> None:
    sandbox.fault(**fault)
    with pytest.raises(httpx.RemoteProtocolError):
        post_stream(sandbox)
    assert post_stream(sandbox).status_code == 200


def test_client_that_disconnects_ends_its_stream(sandbox: Sandbox) -> None:
    sandbox.fault("stall", seconds=0.2)
    headers = {"Authorization": f"Bearer {VALID_KEY}"}
    with patient.stream("POST", sandbox.url + "/v1/prices", headers=headers) as response:
        next(response.iter_raw())
    statuses = (post_stream(sandbox).status_code for _ in range(2000))
    assert next(status for status in statuses if status != 409) == 200


def test_stream_timestamp_is_that_of_its_rows(sandbox: Sandbox) -> None:
    sandbox.advance(90.5)
    response = post_stream(sandbox, providers="steam")
    started = datetime.fromisoformat(response.headers["X-Snapshot-Timestamp"])
    assert started == sandbox.clock.now()
    expected = sandbox.ledger(started, providers=["steam"])
    assert_frame_equal(as_frame(response, expected), expected)
    assert started - expected["last_updated"].max() < timedelta(minutes=1)  # type: ignore[operator]


def test_stream_ignores_currency_and_item(sandbox: Sandbox) -> None:
    response = post_stream(sandbox, providers="steam", currency="EUR", item_id=1)
    assert response.content == post_stream(sandbox, providers="steam").content
    assert set(KEYS) > {json.loads(line)["provider"] for line in response.text.splitlines()} == {"steam"}

"""A key revoked during an extraction: the source stops at once, other sources run, and an alert is raised."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from common.errors import AccountDisabled, KeyRevoked
from pipelines.exit_codes import worst_exit_code
from pipelines.results import RunResult
from pipelines.snapshot.pipeline import SnapshotPipeline
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, catalog_of, ledger, price_requests

CONCURRENCY = 4
NEXT_KEY = "cs2c_live_sandbox_next_000000009"
PAGES_BEFORE = 7  # pages before the key is revoked


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox with about twenty slow pages per provider, whose key is revoked after a few."""
    box = make_sandbox(items=2000, tier="free")
    box.fault("latency", seconds=0.02, times=None)
    box.fault("revoke_key", after=PAGES_BEFORE, times=None)
    return box


@pytest.fixture
def other(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox()


@pytest.fixture
def bench(tmp_path: Path, box: Sandbox, other: Sandbox) -> Bench:
    return Bench.at(
        tmp_path,
        {"cs2cap": box, "second": other},
        catalog_of("steam", "buff163"),
        basket("next"),
        basket("other", source="second"),
        source={"concurrency": CONCURRENCY},
    )


@pytest.mark.slow
def test_revoked_key_stops_all_requests_without_retries(bench: Bench, box: Sandbox) -> None:
    """How soon it stops them is measured in bench/revoked.py."""
    bench.snapshot()
    requests = price_requests(box)
    rejected = next(entry for entry in requests if entry.status == 401)
    assert sum(entry.t > rejected.t for entry in requests) <= CONCURRENCY
    assert Counter(entry.query for entry in requests).most_common(1)[0][1] == 1
    assert {entry.status for entry in requests} <= {200, 401}


@pytest.mark.slow
def test_landed_pages_are_loaded_and_the_alert_is_stored(bench: Bench, box: Sandbox) -> None:
    results = bench.snapshot()
    first = results[0]
    assert [result.state for result in results] == ["auth_failed", "auth_failed", "done"]
    assert isinstance(first.error, KeyRevoked)
    assert worst_exit_code(result.exit_code for result in results) == 4
    market = set(ledger(box, ["steam", "buff163"]))
    assert first.load is not None
    assert 0 < first.load.rows_fetched == len(bench.quotes()) <= PAGES_BEFORE * 100
    assert set(bench.quotes()) < market
    (alert,) = bench.alerts()
    assert (alert.cause, alert.source, alert.code) == ("auth.failed", "cs2cap", "AUTH_API_KEY_REVOKED")
    assert bench.query("SELECT cause, source, code, closed_at FROM alerts WHERE code IS NOT NULL") == [
        ("auth.failed", "cs2cap", "AUTH_API_KEY_REVOKED", None)
    ]


@pytest.mark.slow
def test_next_basket_of_the_source_sends_no_request(bench: Bench, box: Sandbox) -> None:
    results = bench.snapshot()
    assert not [entry for entry in price_requests(box) if "item_id" in entry.query]
    assert (results[1].state, results[1].requests) == ("auth_failed", 0)


@pytest.mark.slow
def test_other_source_is_not_affected(bench: Bench, other: Sandbox) -> None:
    result = bench.snapshot()[2]
    assert (result.source, result.state) == ("second", "done")
    assert bench.quotes(source="second") == ledger(other, ["steam"], [3, 8]) != []


@pytest.mark.slow
def test_alert_is_open_until_a_new_key_is_accepted(bench: Bench, box: Sandbox) -> None:
    bench.snapshot(
        "next", "core"
    )  # the first basket succeeds, which does not resolve the alert of the second
    assert [alert.cause for alert in bench.alerts()] == ["auth.failed"]
    before = len(price_requests(box))
    bench.snapshot("core")
    assert len(price_requests(box)) == before
    assert [alert.repeats for alert in bench.alerts()] == [1]
    box.faults.clear()
    box.key(NEXT_KEY)
    (bench.folder / "cs2cap.key").write_text(NEXT_KEY)
    box.advance(600)
    (result,) = bench.snapshot("core")
    assert result.state == "done"
    assert set(ledger(box, ["steam", "buff163"])) <= set(bench.quotes())
    assert bench.alerts() == []


@pytest.mark.parametrize("state", ["disabled", "forbidden"])
def test_disabled_account_ends_the_run_before_the_first_price_request(
    tmp_path: Path, sandbox: Sandbox, state: str
) -> None:
    bench = Bench.at(tmp_path, sandbox, basket())
    sandbox.key(VALID_KEY, state)
    (result,) = bench.snapshot()
    assert isinstance(result.error, AccountDisabled)
    assert (result.state, result.exit_code, price_requests(sandbox)) == ("auth_failed", 4, [])
    assert bench.query("SELECT basket, state, rows_fetched FROM runs") == [("core", "auth_failed", 0)]


def test_exhausted_month_ends_the_run(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(limits=True)
    bench = Bench.at(
        tmp_path, box, basket(items=list(range(1, 20))), basket("next"), source={"concurrency": 1}
    )
    box.keys.set_remaining(VALID_KEY, 6, box.clock.now())
    results: list[RunResult] = asyncio.run(SnapshotPipeline(bench.settings, force=True).run())
    assert [result.state for result in results] == ["quota_exhausted", "quota_exhausted"]
    assert worst_exit_code(result.exit_code for result in results) == 5
    assert [(alert.cause, alert.source) for alert in bench.alerts()] == [("quota.exhausted", "cs2cap")]
    assert sum(entry.status == 429 for entry in price_requests(box)) <= 8
    assert len(bench.quotes()) > 0

"""The month's usage: requests used, requests a day, and when the quota is used up."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.errors import QuotaExhausted
from connectors.ratelimit.ledger_tables import MonthUsage
from pipelines.planning.quota import month_usage, usage_report
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import SandboxClock
from tests.support.json_outputs import read_result
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, main_with

pytestmark = pytest.mark.usefixtures("no_prefect")
TENTH = datetime(2026, 6, 11, tzinfo=UTC)  # ten days into June


def usage(used: int, limit: int | None = 30_000, **fields: datetime | None) -> MonthUsage:
    return MonthUsage(used, limit, fields.get("resets_at"), fields.get("reported_at", TENTH))


def test_slow_usage_lasts_to_the_end_of_the_month() -> None:
    report = usage_report("cs2cap", usage(10_000), TENTH)
    assert (report.a_day, report.ends_at) == (1000, None)


def test_fast_usage_ends_on_a_day() -> None:
    assert usage_report("cs2cap", usage(15_000), TENTH).ends_at == TENTH + timedelta(days=10)
    assert usage_report("cs2cap", usage(30_000), TENTH).ends_at == TENTH


def test_month_of_the_source_counts_if_its_reset_is_known() -> None:
    resets_at = datetime(2026, 6, 21, tzinfo=UTC)  # the month began on 21 May
    report = usage_report("cs2cap", usage(21_000, resets_at=resets_at), TENTH)
    assert (report.a_day, report.ends_at) == (1000, TENTH + timedelta(days=9))


def test_month_of_the_source_goes_on_after_a_reset_that_has_passed() -> None:
    """The source reported its reset on 5 June once, and reported 600 requests since."""
    report = usage_report("cs2cap", usage(600, resets_at=datetime(2026, 6, 5, tzinfo=UTC)), TENTH)
    assert (report.used, report.a_day) == (0, 0)
    rolled = usage(600, resets_at=datetime(2026, 7, 5, tzinfo=UTC))
    assert usage_report("cs2cap", rolled, TENTH).a_day == 100


def test_billing_period_that_starts_on_the_last_day_of_a_month() -> None:
    resets_at = datetime(2026, 1, 31, 10, tzinfo=UTC)
    resets = [
        usage(1, resets_at=resets_at).as_of(datetime(2026, month, 10, tzinfo=UTC)).resets_at
        for month in (1, 2, 3)
    ]
    assert [str(reset)[:10] for reset in resets] == ["2026-01-31", "2026-02-28", "2026-03-31"]


def test_usage_of_an_earlier_month_is_dropped() -> None:
    report = usage_report("cs2cap", usage(29_000, reported_at=TENTH - timedelta(days=20)), TENTH)
    assert (report.used, report.a_day, report.ends_at) == (0, 0, None)


def test_month_without_a_limit_never_ends() -> None:
    assert usage_report("cs2cap", usage(29_000, limit=None), TENTH).ends_at is None


@pytest.mark.parametrize("limit", [1_000_000, 10**12])
def test_large_limit_outlasts_the_calendar(limit: int) -> None:
    assert usage_report("cs2cap", usage(1, limit=limit), TENTH).ends_at is None


@pytest.mark.slow
def test_billing_period_of_the_source_counts(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    """A period from the 15th: its reset is reported once, near its end; the next period keeps the day."""
    box = make_sandbox(limits=True, tier="starter", frozen=datetime(2026, 6, 14, tzinfo=UTC))
    key = box.key(VALID_KEY)
    key.billing_day = 15
    bench = Bench.at(tmp_path, box, basket())
    clock = SandboxClock(box)
    box.keys.set_remaining(VALID_KEY, 3, clock.now())
    bench.snapshot(clock=clock)
    (result,) = bench.snapshot(clock=clock)
    assert isinstance(result.error, QuotaExhausted)
    assert result.error.resets_at == datetime(2026, 6, 15, tzinfo=UTC)
    box.advance(6 * 86_400)
    (result,) = bench.snapshot(clock=clock)
    assert (result.state, result.quota_remaining) == ("done", 49_996)  # two of them for the catalogs
    (month,) = month_usage(bench.settings, clock.now())
    assert (month.used, round(month.a_day, 2)) == (4, 0.8)


def test_plan_of_a_configured_tier_counts_the_current_month_only(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox(limits=True, tier="starter")
    bench = Bench.at(tmp_path, box, basket(), source={"tier": "starter"})
    bench.snapshot()
    with sqlite3.connect(bench.paths.state) as db:
        db.execute("UPDATE budget SET used = 40000, told_at = '2026-01-03T00:00:00+00:00'")
    (source,) = read_result(main_with("plan", "--offline", "--json", "--config", str(bench.config)).out)[
        "sources"
    ]
    assert source["requests_used"] == 0


def test_status_command_prints_the_month(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(limits=True, tier="starter")
    bench = Bench.at(tmp_path, box, basket())
    assert "of the month's" not in main_with("status", "--config", str(bench.config)).out
    bench.snapshot()
    (month,) = read_result(main_with("status", "--json", "--config", str(bench.config)).out)["months"]
    assert (month["source"], month["requests_used"], month["requests_limit"]) == ("cs2cap", 4, 50_000)
    text = main_with("status", "--config", str(bench.config)).out
    assert "cs2cap: 4 of the month's 50,000 requests" in text

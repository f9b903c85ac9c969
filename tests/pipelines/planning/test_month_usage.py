"""The month's usage: requests used, requests a day, and when the quota is used up."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.ratelimit.ledger_tables import MonthUsage
from pipelines.planning.quota import usage_report
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


def test_usage_of_an_earlier_month_is_dropped() -> None:
    report = usage_report("cs2cap", usage(29_000, reported_at=TENTH - timedelta(days=20)), TENTH)
    assert (report.used, report.a_day, report.ends_at) == (0, 0, None)


def test_month_without_a_limit_never_ends() -> None:
    assert usage_report("cs2cap", usage(29_000, limit=None), TENTH).ends_at is None


@pytest.mark.parametrize("limit", [1_000_000, 10**12])
def test_large_limit_outlasts_the_calendar(limit: int) -> None:
    assert usage_report("cs2cap", usage(1, limit=limit), TENTH).ends_at is None


def test_status_command_prints_the_month(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(limits=True, tier="starter")
    bench = Bench.at(tmp_path, box, basket())
    assert "of the month's" not in main_with("status", "--config", str(bench.config)).out
    bench.snapshot()
    (month,) = json.loads(main_with("status", "--json", "--config", str(bench.config)).out)["months"]
    assert (month["source"], month["used"], month["limit"]) == ("cs2cap", 4, 50_000)
    text = main_with("status", "--config", str(bench.config)).out
    assert "cs2cap: 4 of the month's 50,000 requests" in text

"""The month's burn in `floorline status`: used, pace, and when it ends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.ratelimit.ledger import MonthUsage
from pipelines.planning.quota import usage_report
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, main_with

pytestmark = pytest.mark.usefixtures("no_prefect")
TENTH = datetime(2026, 6, 11, tzinfo=UTC)  # ten days after June began


def usage(used: int, limit: int | None = 30_000, **fields: datetime | None) -> MonthUsage:
    return MonthUsage(used, limit, fields.get("resets_at"), fields.get("reported_at", TENTH))


def test_a_pace_that_lasts() -> None:
    found = usage_report("cs2cap", usage(10_000), TENTH)
    assert (found.a_day, found.ends_at) == (1000, None)


def test_a_pace_that_does_not_last_ends_on_a_day() -> None:
    assert usage_report("cs2cap", usage(15_000), TENTH).ends_at == TENTH + timedelta(days=10)
    assert usage_report("cs2cap", usage(30_000), TENTH).ends_at == TENTH


def test_the_sources_own_month_counts_where_it_tells_it() -> None:
    resets_at = datetime(2026, 6, 21, tzinfo=UTC)  # so it began on 21 May
    found = usage_report("cs2cap", usage(21_000, resets_at=resets_at), TENTH)
    assert (found.a_day, found.ends_at) == (1000, TENTH + timedelta(days=9))


def test_what_was_told_of_an_earlier_month_is_over() -> None:
    found = usage_report("cs2cap", usage(29_000, reported_at=TENTH - timedelta(days=20)), TENTH)
    assert (found.used, found.a_day, found.ends_at) == (0, 0, None)


def test_a_month_without_a_limit_never_ends() -> None:
    assert usage_report("cs2cap", usage(29_000, limit=None), TENTH).ends_at is None


@pytest.mark.parametrize("limit", [1_000_000, 10**12])
def test_a_large_limit_outlasts_the_calendar(limit: int) -> None:
    assert usage_report("cs2cap", usage(1, limit=limit), TENTH).ends_at is None


def test_status_shows_it(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(limits=True, tier="starter")
    bench = Bench.at(tmp_path, box, basket())
    assert "of the month's" not in main_with("status", "--config", str(bench.config)).out
    bench.snapshot()
    (month,) = json.loads(main_with("status", "--json", "--config", str(bench.config)).out)["months"]
    assert (month["source"], month["used"], month["limit"]) == ("cs2cap", 4, 50_000)
    text = main_with("status", "--config", str(bench.config)).out
    assert "cs2cap: 4 of the month's 50,000 requests" in text

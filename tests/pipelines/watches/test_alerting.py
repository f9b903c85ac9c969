"""The alerts of watches: open once while rows match, over when none does; a failure is an alert, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.sqlite_state import SqliteState
from pipelines.alerts.messages import describe_alert
from pipelines.config import Settings, WatchSettings
from pipelines.watches.alerting import settle_watches
from pipelines.watches.runner import WatchResult
from tests.support.warehouse import minute
from tests.support.watches import watch
from warehouse.queries.watched_rows import WatchedRows
from warehouse.state.alerts import Alert, AlertStore

WATCH = watch("cheap", query="FROM quotes", message="Buy\nit")
FAILURE = watch("cheap", query="FROM quotes", severity="failure")


@pytest.fixture
def alerts(tmp_path: Path) -> AlertStore:
    return AlertStore(SqliteState(tmp_path / "state.db"))


def rows(number: int, of: WatchSettings = WATCH, *, has_more: bool = False) -> WatchResult:
    values = tuple((f"item {row}", "1.00", None) for row in range(number))
    return WatchResult(
        of, WatchedRows(("item", "price", "url"), ("text", "decimal", "text"), values, has_more)
    )


def failed(of: WatchSettings = WATCH) -> WatchResult:
    return WatchResult(of, failure="it was ended")


def after(alerts: AlertStore, *results: WatchResult, run: int = 1) -> list[tuple[str, str, int]]:
    """Return cause, subject and repeats of the open alerts after a load with these results."""
    settle_watches(alerts, results, f"run-{run}", minute(run))
    opened = alerts.list_alerts(open_only=True)
    return sorted((alert.cause, alert.subject, alert.repeats) for alert in opened)


def test_alert_is_open_while_rows_match(alerts: AlertStore) -> None:
    assert after(alerts, rows(0)) == []
    assert after(alerts, rows(2), run=2) == [("watch.warning", "cheap", 0)]
    assert after(alerts, rows(3), run=3) == [("watch.warning", "cheap", 1)]
    assert after(alerts, rows(0), run=4) == []
    (over,) = alerts.list_alerts()
    assert (over.opened_at, over.closed_at) == (minute(2), minute(4))
    assert after(alerts, rows(1), run=5) == [("watch.warning", "cheap", 0)]
    assert len(alerts.list_alerts()) == 2


def test_failure_of_a_query_leaves_the_alert_about_rows_as_it_is(alerts: AlertStore) -> None:
    after(alerts, rows(1))
    both = [("watch.broken", "cheap", 0), ("watch.warning", "cheap", 0)]
    assert after(alerts, failed(), run=2) == both
    (broken,) = [alert for alert in alerts.list_alerts() if alert.cause == "watch.broken"]
    assert broken.message == "the watch cheap failed: it was ended"
    assert after(alerts, rows(1), run=3) == [("watch.warning", "cheap", 1)]
    assert after(alerts, rows(0), run=4) == []


def test_another_severity_is_another_alert(alerts: AlertStore) -> None:
    after(alerts, rows(1))
    assert after(alerts, rows(1, FAILURE), run=2) == [("watch.failure", "cheap", 0)]


def test_alerts_of_a_removed_watch_end(alerts: AlertStore) -> None:
    alerts.raise_alert(Alert("channel.failed", "", "cheap", "of another cause"), minute(0))
    after(alerts, rows(1), failed(watch("other", query="FROM quotes")))
    assert after(alerts, rows(1), run=2) == [("channel.failed", "cheap", 0), ("watch.warning", "cheap", 1)]
    assert after(alerts, run=3) == [("channel.failed", "cheap", 0)]


def test_message_has_the_first_rows_and_their_number(alerts: AlertStore) -> None:
    after(alerts, rows(12, has_more=True))
    (alert,) = alerts.list_alerts()
    message = describe_alert(alert, Settings(), [])
    assert message.title == "[floorline] warning: watch.warning (cheap)"
    lines = message.body.splitlines()
    assert lines[0] == "Buy it (more than 12 rows)"
    assert lines[1:11] == [f"row: item: item {row}, price: 1.00" for row in range(10)]
    assert lines[11] == "command: floorline watches check cheap"
    assert message.payload["reason"] == lines[0]
    assert message.payload["rows"][0] == {"item": "item 0", "price": "1.00", "url": None}
    assert len(message.payload["rows"]) == 10


def test_rows_are_foreign_text(alerts: AlertStore) -> None:
    attack = "@everyone <b>x</b> https://evil.example [a](b)\u202e"
    found = WatchedRows((attack, "n"), ("text", "text"), ((attack, "=1+1"),))
    after(alerts, WatchResult(WATCH, found))
    message = describe_alert(alerts.list_alerts()[0], Settings(), [])
    for text in (message.body, json.dumps(message.payload, ensure_ascii=False)):
        assert not any(part in text for part in ("@everyone", "<b", "https://", "](", "\u202e"))
    assert message.payload["rows"][0]["n"] == "\\u003d1+1"
    assert len(message.body.splitlines()) == 5

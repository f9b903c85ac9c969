"""The messages of alerts: what people read, what programs read, and that docs/alerts.md shows both."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from common.errors import KeyRevoked, SourceError
from common.sqlite_state import SqliteState
from pipelines.alerts.causes import TRAITS, command_for
from pipelines.alerts.losses import find_missed_time
from pipelines.alerts.messages import AlertMessage, concerned_baskets, describe_alert
from pipelines.alerts.rules import raise_alerts
from pipelines.config import Settings, parse_settings
from pipelines.results import RunResult
from tests.support.clocks import NOON
from tests.support.warehouse import Quote, create_warehouse, land, load, minute, observe
from warehouse.state.alerts import Alert, AlertStore

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "alerts.md"
ERROR = KeyRevoked("This API key was revoked", "cs2cap", code="AUTH_API_KEY_REVOKED", status=401)
TABLES = {
    "sources": {"cs2cap": {}, "other": {"kind": "skinshark"}},
    "baskets": [
        {"name": name, "source": source, "items": ["x"], "providers": providers, "every": "10m"}
        for name, source, providers in (
            ("core", "cs2cap", ["steam"]),
            ("wide", "cs2cap", ["all"]),
            ("else", "other", ["steam"]),
        )
    ],
}


def settings(folder: Path) -> Settings:
    return parse_settings({**TABLES, "warehouse": {"path": str(folder)}}, folder)


def result(run_id: str, state: str, error: SourceError | None = None) -> RunResult:
    return RunResult(run_id, "core", "cs2cap", state, requests=1, pages=1, error=error, key_tail="0001")


def alert(cause: str, source: str = "cs2cap", subject: str = "", message: str = "x") -> Alert:
    return Alert(cause, source, subject, message, alert_id=7, opened_at=NOON, last_at=NOON)


@pytest.fixture(scope="module")
def rejected_and_over(tmp_path_factory: pytest.TempPathFactory) -> tuple[AlertMessage, AlertMessage]:
    """Return the messages of a rejected key, and of its end two hours and ten minutes later."""
    folder = tmp_path_factory.mktemp("alerts")
    paths, alerts = create_warehouse(folder), AlertStore(SqliteState(folder / "state.db"))
    land(paths, "r1", observe(minute(-10), Quote()), basket="core")
    raise_alerts(alerts, [result("20260601T120000Z-1f", "auth_failed", ERROR)], [], now=NOON)
    load(paths)
    (record,) = alerts.list_alerts()
    baskets = concerned_baskets(record, settings(folder))
    opened = describe_alert(record, settings(folder), baskets)
    land(paths, "r2", observe(minute(130), Quote()), basket="core")
    load(paths)
    raise_alerts(alerts, [result("r2", "done")], [], now=minute(130))
    (record,) = alerts.list_alerts()
    missed = find_missed_time(record, baskets, paths)
    return opened, describe_alert(record, settings(folder), baskets, missed)


def test_open_alert_says_what_people_need(rejected_and_over: tuple[AlertMessage, AlertMessage]) -> None:
    opened, _ = rejected_and_over
    assert opened.title == "[floorline] failure: auth.failed (cs2cap)"
    assert opened.body.splitlines()[1:3] == [
        "baskets: core, wide",
        "key: env:CS2C_API_KEY (key in [sources.cs2cap])",
    ]
    assert "command: floorline key status" in opened.body
    assert "(key …0001)" in opened.body


def test_end_says_how_long_and_what_is_missing(rejected_and_over: tuple[AlertMessage, AlertMessage]) -> None:
    _, over = rejected_and_over
    assert over.title == "[floorline] success: auth.failed is over (cs2cap)"
    missing = "core from 2026-06-01 11:50:00 to 2026-06-01 14:10:00 UTC (2h 20m, 13 snapshots missing)"
    assert f"not observed: {missing}" in over.body
    assert over.payload["duration_seconds"] == 130 * 60
    assert over.payload["missed"] == [
        {"basket": "core", "start": minute(-10).isoformat(), "end": minute(130).isoformat(), "runs": 13}
    ]
    assert over.command == "floorline backfill --gaps --dry-run"


def test_document_shows_the_messages(rejected_and_over: tuple[AlertMessage, AlertMessage]) -> None:
    document = DOCUMENT.read_text("utf-8")
    for message in rejected_and_over:
        assert textwrap.indent(f"{message.title}\n{message.body}", "    ") in document
        assert textwrap.indent(json.dumps(message.payload, indent=2, ensure_ascii=False), "    ") in document


def test_document_describes_every_cause_and_every_field(
    rejected_and_over: tuple[AlertMessage, AlertMessage],
) -> None:
    document = DOCUMENT.read_text("utf-8")
    for cause, traits in TRAITS.items():
        row = next(line for line in document.splitlines() if line.startswith(f"| `{cause}` |"))
        assert row.split("|")[2].strip() == traits.severity
    for field in rejected_and_over[0].payload:
        assert f"`{field}`" in document


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (alert("auth.failed"), ["core", "wide"]),
        (alert("provider.dark", subject="steam"), ["core", "wide"]),
        (alert("provider.dark", subject="buff163"), ["wide"]),
        (alert("snapshot.incomplete", subject="core"), ["core"]),
        (alert("silence", "other", "else"), ["else"]),
        (alert("database.restored", "", "state.db"), []),
    ],
    ids=lambda value: value.cause if isinstance(value, Alert) else None,
)
def test_baskets_that_an_alert_concerns(tmp_path: Path, subject: Alert, expected: list[str]) -> None:
    assert [basket.name for basket in concerned_baskets(subject, settings(tmp_path))] == expected


def test_basket_may_name_the_provider_of_an_alert_as_people_see_it(tmp_path: Path) -> None:
    core = {"name": "core", "source": "cs2cap", "items": ["x"], "every": "10m"}
    baskets = [{**core, "providers": ["Steam Community Market", "CSFloat"]}]
    of_people = parse_settings({**TABLES, "baskets": baskets}, tmp_path)
    dark = alert("provider.dark", subject="steam")
    assert concerned_baskets(dark, of_people) == []
    assert concerned_baskets(dark, of_people, "Steam Community Market") == list(of_people.baskets)
    assert concerned_baskets(alert("provider.dark", subject="csfloat"), of_people) == list(of_people.baskets)


def test_alert_that_lost_nothing_says_so_by_silence(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    for number in (0, 10, 20):
        land(paths, f"r{number}", observe(minute(number), Quote()), basket="core")
    load(paths)
    over = Alert("provider.dark", "cs2cap", "steam", "x", opened_at=minute(10), closed_at=minute(20))
    baskets = settings(tmp_path).baskets
    message = describe_alert(over, settings(tmp_path), baskets, find_missed_time(over, baskets, paths))
    assert (message.missed, message.command) == ((), "")
    assert "lasted 10m" in message.body


def test_text_of_an_api_is_one_line_and_inactive_in_text_and_payload(tmp_path: Path) -> None:
    attack = "@everyone <b>x</b>\x1b[31m\n=1+1"
    message = describe_alert(alert("provider.dark", subject=attack, message=attack), settings(tmp_path), ())
    texts = (message.title, *message.body.split("\n"), *map(str, message.payload.values()))
    for text in texts:
        assert "@e" not in text
        assert "<b" not in text
        assert "\x1b" not in text


def test_commands_name_the_alert() -> None:
    assert command_for(alert("provider.dark")) == "floorline alerts accept 7"
    assert command_for(alert("catalog.doubted")) == "floorline doctor"
    assert command_for(alert("of.another.version")) == "floorline alerts show 7"

"""What `floorline up` says of alerts: when they open, when they are over, and how severe they are."""

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from floorline.up.lines import TextFormatter
from floorline.up.watch import AlertWatcher
from pipelines.config import load_settings
from tests.support.snapshots import Bench, basket
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets what `floorline up` logs."""
    lines: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(
        handler, "emit", lambda record: lines.append(TextFormatter("").format(record).strip())
    )
    logger = logging.getLogger("floorline.up")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    return lines


def test_alerts_that_open_and_close_are_lines_with_their_severity(tmp_path: Path, lines: list[str]) -> None:
    settings = load_settings(Bench.create(tmp_path, {"cs2cap": "http://127.0.0.1:9"}, basket()).config)
    paths = settings.paths
    paths.prepare()
    alerts, watcher = AlertStore(open_state(paths)), AlertWatcher(settings)
    alerts.raise_alert(Alert("auth.failed", "cs2cap", "", "the key was revoked"), NOON)
    alerts.raise_alert(Alert("provider.dark", "cs2cap", "steam", "all quotes vanished"), NOON)
    asyncio.run(watcher.report_changes())
    alerts.resolve("auth.failed", "cs2cap", "", now=NOON)
    asyncio.run(watcher.report_changes())
    asyncio.run(watcher.report_changes())
    assert sorted(lines) == [
        "alert is over: auth.failed (cs2cap)",
        "failure: alert auth.failed (cs2cap): the key was revoked",
        "warning: alert provider.dark (cs2cap, steam): all quotes vanished",
    ]

"""`floorline alerts accept` closes what a marketplace does not list any more."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from common.errors import ConfigError
from floorline.cli.app import app
from pipelines.alerts.causes import DARK
from pipelines.alerts.rules import raise_alerts
from tests.support.json_outputs import read_result
from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe, query_rows
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore, read_alerts
from warehouse.state.database import open_state


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse in which 130 of 300 quotes vanished at once, with the alert about that."""
    (tmp_path / "floorline.toml").write_text('[warehouse]\npath = "data"\n')
    paths = create_warehouse(tmp_path / "data")
    land_and_load(paths, "a", observe(minute(0), *(Quote(str(number)) for number in range(300))))
    report = land_and_load(paths, "b", observe(minute(10), *(Quote(str(number)) for number in range(170))))
    raise_alerts(AlertStore(open_state(paths)), [], [report], now=minute(10))
    return paths


def accept(paths: WarehousePaths, alert: int, *options: str) -> str:
    """Run the command and return its output; raise its error."""
    config = paths.root.parent / "floorline.toml"
    arguments = ["alerts", "accept", str(alert), "--config", str(config), *options]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_accepted_loss_closes_the_quotes_and_the_alert(paths: WarehousePaths) -> None:
    (alert,) = read_alerts(open_state(paths), open_only=True)
    assert (alert.cause, alert.subject) == (DARK, "steam")
    text = accept(paths, alert.alert_id or 0)

    assert "130 missing quotes of steam" in text
    assert query_rows(paths, "SELECT count(*) FROM quotes") == [(170,)]
    assert query_rows(
        paths, "SELECT flow, state, rows_closed FROM runs ORDER BY started_at DESC LIMIT 1"
    ) == [("accept", "done", 130)]
    assert read_alerts(open_state(paths), open_only=True) == []


def test_accepted_loss_as_json(paths: WarehousePaths) -> None:
    text = accept(paths, 1, "--json")
    assert read_result(text) == {
        "alert_id": 1,
        "cause": "provider.dark",
        "subject": "steam",
        "quotes_closed": 130,
        "entries_dropped": 0,
    }


def test_only_an_open_alert_of_a_dark_provider_can_be_accepted(paths: WarehousePaths) -> None:
    AlertStore(open_state(paths)).raise_alert(Alert("silence", "cs2cap", "core", "no run"), minute(20))
    with pytest.raises(ConfigError, match=r"alert 2 is no open alert provider\.dark"):
        accept(paths, 2)
    with pytest.raises(ConfigError, match="there is no open alert 9"):
        accept(paths, 9)
    assert query_rows(paths, "SELECT count(*) FROM quotes") == [(300,)]

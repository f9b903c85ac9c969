"""The commands `floorline watches list` and `check`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.config import load_settings
from pipelines.watches.alerting import settle_watches
from pipelines.watches.conditions import find_matches
from pipelines.watches.runner import WatchResult
from tests.support.json_outputs import read_failure, read_result
from tests.support.snapshots import REDLINE, CommandOutput, main_with
from tests.support.warehouse import minute
from tests.support.watches import create_record
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import AlertStore, read_alerts
from warehouse.state.database import open_state

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("no_prefect")]
WATCHES = f"""\
[[watches]]
name = "cheap"
item = "{REDLINE}"
below = 12
message = "Buy it"

[[watches]]
name = "none"
query = "FROM quotes WHERE false"

[[watches]]
name = "wrong"
query = "FROM quoted"
"""


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a configuration with a record."""
    folder = tmp_path_factory.mktemp("project")
    create_record(folder / "data")
    (folder / "floorline.toml").write_text(WATCHES, "utf-8")
    return folder / "floorline.toml"


def watches(record: Path, *arguments: str) -> CommandOutput:
    return main_with("watches", *arguments, "--config", str(record))


def files(folder: Path) -> dict[Path, int]:
    """Return the files of a folder with the time of their last change."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_check_shows_rows_and_failures_and_raises_no_alert(record: Path) -> None:
    before = files(record.parent)
    output = watches(record, "check")
    assert (output.code, output.err) == (14, "")
    assert files(record.parent) == before
    lines = output.out.splitlines()
    assert lines[0] == "cheap: Buy it (1 row)"
    assert lines[2].split() == [
        *REDLINE.split(),
        "11.20",
        "USD",
        "buff163",
        "3",
        *("2026-06-01", "12:00:00+00"),
    ]
    assert lines[4] == "none: no row matches"
    assert lines[6].startswith(
        "wrong: failed: DuckDB says: Catalog Error: Table with name quoted does not exist"
    )
    assert read_alerts(open_state(WarehousePaths(record.parent / "data"))) == []


@pytest.mark.slow
def test_exit_code_says_what_was_found(record: Path) -> None:
    assert [watches(record, "check", name).code for name in ("cheap", "none")] == [13, 0]
    unknown = watches(record, "check", "cheep")
    assert (unknown.code, unknown.out) == (2, "")
    assert "no watch is called cheep; the configuration has cheap, none, wrong" in unknown.err


def test_json_has_the_rows(record: Path) -> None:
    cheap, wrong = read_result(watches(record, "check", "cheap", "wrong", "--json").out)
    assert (cheap["name"], cheap["condition"], cheap["has_more"]) == (
        "cheap",
        f"{REDLINE} below 12 USD",
        False,
    )
    assert (cheap["rows"][0]["price"], cheap["failure"]) == ("11.20", None)
    assert (wrong["rows"], wrong["failure"].split(":")[0]) == ([], "DuckDB says")


def test_list_shows_what_the_last_load_found(record: Path) -> None:
    paths, (cheap, none, wrong) = WarehousePaths(record.parent / "data"), load_settings(record).watches
    results = [
        WatchResult(cheap, find_matches(paths, cheap)),
        WatchResult(none),
        WatchResult(wrong, failure="no such view"),
    ]
    settle_watches(AlertStore(open_state(paths)), results, "r1", minute(0))
    listed = read_result(watches(record, "list", "--json").out)
    assert [entry["state"] for entry in listed] == ["rows", "quiet", "broken"]
    assert listed[0]["opened_at"] == "2026-06-01T12:00:00+00:00"
    assert (listed[0]["time_limit_seconds"], listed[1]["alert_id"]) == (10.0, None)
    table = watches(record, "list").out.splitlines()
    assert table[1].split(maxsplit=5)[:3] == ["cheap", "warning", "rows"]
    shown = main_with("alerts", "show", str(listed[0]["alert_id"]), "--config", str(record)).out
    assert f"       row  item: {REDLINE}, price: 11.20, currency: USD" in shown
    assert "   message  Buy it (1 row)\n" in shown


def test_without_watches_or_a_database(tmp_path: Path) -> None:
    config = tmp_path / "floorline.toml"
    config.write_text("", "utf-8")
    assert watches(config, "list").out.startswith("no watch is configured")
    assert "no watch is configured: add a [[watches]] table" in watches(config, "check").err
    config.write_text(WATCHES, "utf-8")
    output = watches(config, "check", "--json")
    assert (output.code, read_failure(output.out)["type"]) == (2, "NotPublished")

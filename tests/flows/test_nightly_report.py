"""The report of the night: one file a day, of which the newest 30 stay."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from flows.nightly_report import write_nightly_report
from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe


def test_newest_thirty_reports_stay(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path / "warehouse")
    land_and_load(paths, "r1", observe(minute(0), Quote(cents=100)))
    paths.reports.mkdir()
    days = [date(2026, 9, 1) + timedelta(days=number) for number in range(30)]
    for day in days:
        (paths.reports / f"{day}.html").write_text("of another night")
    (paths.reports / "notes.html").write_text("of the user")
    file = write_nightly_report(paths, datetime(2026, 9, 30, 23, 59, tzinfo=UTC))
    assert file == paths.reports / "2026-09-30.html"
    assert "of another night" not in file.read_text("utf-8")
    write_nightly_report(paths, datetime(2026, 10, 1, 0, 0, tzinfo=UTC))
    kept = {f"{day}.html" for day in days[1:]} | {"2026-10-01.html", "notes.html"}
    assert {file.name for file in paths.reports.iterdir()} == kept

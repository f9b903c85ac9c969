"""The report of the nightly maintenance: an HTML file a day, and artifacts that say where the file is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact

from common.files import atomic_write, translate_os_errors
from common.warehouse_errors import WarehouseUnusable
from dashboard.report import render_report
from warehouse.paths import WarehousePaths

KEPT: Final = 30  # files
KEY: Final = "report"


def write_nightly_report(paths: WarehousePaths, now: datetime) -> Path:
    """Write the report of the published file into the folder of reports, one a day; keep the newest 30.

    Return the absolute path of the file. `now` names it: 2026-11-01.html (UTC). A second report of a day
    replaces the first one. Raises what `render_report` raises, and WarehouseError where the file cannot be
    written.
    """
    html = render_report(paths)
    with translate_os_errors(paths.reports):
        try:
            paths.reports.mkdir(exist_ok=True)
        except FileExistsError:
            raise WarehouseUnusable(f"{paths.reports} is not a folder", paths.reports) from None
        file = paths.reports.absolute() / f"{now:%Y-%m-%d}.html"
        atomic_write(file, html.encode("utf-8"))
        for outdated in sorted(paths.reports.glob("????-??-??.html"))[:-KEPT]:
            outdated.unlink()
    return file


async def publish_report(file: Path) -> None:
    """Publish a link to the file, and how to open it, as artifacts of the flow run."""
    await acreate_link_artifact(
        link=file.as_uri(), link_text=file.name, key=KEY, description="The report of the night"
    )
    await acreate_markdown_artifact(
        markdown=(
            f"The report is `{file}` on the machine of the warehouse. Browsers open no file from a page of a"
            " server: open the file itself. `floorline dashboard` shows the same, as of now."
        ),
        key=f"{KEY}-file",
        description="Where the report of the night is",
    )

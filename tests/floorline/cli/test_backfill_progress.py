"""The progress bar of a backfill: shards, rows, requests, and the month's remaining requests."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from floorline.cli.render.progress import backfill_bar
from pipelines.backfill.progress import ProgressUpdate
from tests.support.backfills import bench_at, points_request, run_backfill
from tests.support.sandboxes import MakeSandbox


class RecordingProgress:
    """Records all updates."""

    def __init__(self) -> None:
        self.updates: list[ProgressUpdate] = []

    def update(self, update: ProgressUpdate) -> None:
        """Record an update."""
        self.updates.append(update)


def test_bar_shows_shards_rows_requests_and_the_month() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=10)
    with backfill_bar(console) as bar:
        bar.update(
            ProgressUpdate(40, ended=3, fraction=0.25, rows=12_345, requests=67, quota_remaining=499_933)
        )
        bar._progress.refresh()
    assert isinstance(console.file, io.StringIO)
    assert "3/40 shards  12,345 rows  67 requests  499,933 left" in console.file.getvalue()


@pytest.mark.slow
def test_run_reports_its_progress(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(history="dense")
    progress = RecordingProgress()
    result = run_backfill(bench_at(tmp_path, box), box, points_request(1, 2, 3, days=0.5), progress=progress)
    first, last = progress.updates[0], progress.updates[-1]
    assert (first.shards, first.ended, first.fraction, first.rows) == (3, 0, 0.0, 0)
    assert (last.ended, round(last.fraction, 6), last.rows) == (3, 1.0, result.rows)
    fractions = [update.fraction for update in progress.updates]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 5

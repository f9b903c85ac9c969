"""`floorline up` on PostgreSQL: two workers, every run exactly once, and the password is never printed."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from sandbox.options import Options
from sandbox.server import serve
from tests.support.postgres import PASSWORD, Postgres, needs_postgres
from tests.support.snapshots import Bench, basket
from tests.support.up import Record, running_up
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("up"),
    needs_postgres,
]


def skipped(run: Record) -> bool:
    return bool(run["state_name"] == "Skipped")


def loaded_times(bench: Bench, name: str, run: Record) -> list[datetime]:
    """Return the starts of the basket's loaded snapshots within a flow run."""
    start, end = (datetime.fromisoformat(run[field]) for field in ("start_time", "end_time"))
    sql = "SELECT started_at FROM runs WHERE basket = ? AND state = 'done' AND started_at BETWEEN ? AND ?"
    return [started_at for (started_at,) in bench.query(sql, name, start, end)]


def test_two_workers_on_postgres_run_every_flow_run_once(postgres: Postgres, tmp_path: Path) -> None:
    with serve(Options(items=300, refresh=0, limits=False)) as box:
        names = ("one", "two")
        bench = Bench.at(tmp_path, box, *(basket(name, providers=["buff163"], every="20s") for name in names))
        setting = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres.url(scheme="postgresql+asyncpg")}
        with running_up(bench, "--workers", "2", **setting) as up:
            assert len(up.children("worker start")) == 2

            def three_snapshots_each() -> bool:
                # On a busy machine a run that starts more than one interval late is Skipped, by design.
                completed = [up.runs(name, "COMPLETED") for name in names]
                return all(sum(not skipped(run) for run in runs) >= 3 for runs in completed)

            wait_until(three_snapshots_each, 300, every=0.5)
            runs = [(name, run) for name in names for run in up.runs(name, "COMPLETED")]
            states = Counter(state["type"] for _, run in runs for state in up.states(run["id"]))
            up.process.terminate()
            assert up.process.wait(240) == 143
    assert not (bench.paths.root / "prefect" / "prefect.db").exists()
    assert len({run["name"] for _, run in runs}) == len(runs)
    assert {run["run_count"] for _, run in runs} == {1}
    assert states["RUNNING"] == states["COMPLETED"] == len(runs)
    for name, run in runs:
        assert len(loaded_times(bench, name, run)) == (0 if skipped(run) else 1), run
    assert PASSWORD not in up.output()
    for log in (bench.paths.root / "prefect").rglob("*"):
        assert log.is_dir() or PASSWORD.encode() not in log.read_bytes(), log

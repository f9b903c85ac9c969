"""Two commands at once on one warehouse, as real processes: each is done, or says in one line why not.

Then the next snapshot goes on, and the warehouse has what the market has. The two exports are new, and the
other pairs guards.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.server import serve
from tests.support.sandboxes import quiet
from tests.support.snapshots import FLOORLINE, Bench, catalog_of, clean_env, ledger
from warehouse.integrity import verify_database

pytestmark = pytest.mark.slow
PROVIDERS = ("steam", "csfloat")
DAY = timedelta(days=1)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
BACKFILL = (
    f"backfill --items 1 --items 2 --from {TODAY - 2 * DAY:%Y-%m-%d} --to {TODAY:%Y-%m-%d} --no-prefect"
)
SNAPSHOT, REBUILD, EXPORT = "snapshot --no-prefect", "maintain rebuild --yes", "export all.duckdb"
ROTATE = "key rotate cs2cap --yes"
PAIRS = [
    (SNAPSHOT, SNAPSHOT),
    (SNAPSHOT, REBUILD),
    (SNAPSHOT, "maintain load"),
    (SNAPSHOT, BACKFILL),
    (SNAPSHOT, "rejects replay"),
    (SNAPSHOT, EXPORT),
    (SNAPSHOT, "alerts accept 1"),
    (SNAPSHOT, ROTATE),
    (BACKFILL, BACKFILL),
    (REBUILD, REBUILD),
    (REBUILD, EXPORT),
    (EXPORT, EXPORT),
    (ROTATE, ROTATE),
]
# Of another process that is at work, or of a key that is not valid any more.
CODES = {2, 3, 4, 6}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with serve(quiet(frozen=None, tier="pro", items=250)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def template(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a warehouse with rejects, and with an alert of a marketplace that seemed to be empty."""
    bench = Bench.at(tmp_path_factory.mktemp("template"), box, catalog_of(*PROVIDERS), source={"tier": "pro"})
    bench.snapshot()
    box.fault("broken_row", path="/v1/prices", field="lowest_ask", value="abc", row=0)
    box.set_provider_dark("steam")
    bench.snapshot()
    box.set_provider_dark("steam", dark=False)
    assert "provider.dark" in {alert.cause for alert in bench.alerts()}
    return bench


@pytest.fixture
def bench(template: Bench, box: Sandbox, tmp_path: Path) -> Bench:
    box.key(VALID_KEY, "valid", tier="pro")
    box.faults.clear()
    return template.copy(tmp_path)


def run_both(bench: Bench, *commands: str) -> list[tuple[int, str]]:
    """Run the commands at the same time; return the exit code and stderr of each."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [FLOORLINE, *shlex.split(command), "--config", str(bench.config)],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    cwd=bench.folder,
                    env=clean_env(),
                    text=True,
                )
            )
            for command in commands
        ]
        errors = [process.communicate(timeout=240)[1] for process in processes]
        return [(process.returncode, error) for process, error in zip(processes, errors, strict=True)]


def check_whole(bench: Bench, box: Sandbox) -> None:
    (result,) = bench.snapshot()
    assert (result.state, result.exit_code) == ("done", 0), result.incomplete_reason
    for database in (bench.paths.writer, bench.paths.published):
        verify_database(database, bench.paths.checksum)
    assert bench.quotes() == ledger(box, PROVIDERS)
    assert bench.query("SELECT count(*) - count(DISTINCT run_id) FROM runs") == [(0,)]
    assert not [path for path in bench.paths.root.rglob("*") if path.name.endswith((".partial", ".tmp"))]


@pytest.mark.parametrize(
    ("one", "other"), PAIRS, ids=[" and ".join(" ".join(c.split()[:2]) for c in pair) for pair in PAIRS]
)
def test_each_of_two_commands_is_done_or_says_why_not(
    bench: Bench, box: Sandbox, one: str, other: str
) -> None:
    box.fault("latency", path="/v1/prices", seconds=0.05, times=None)
    outcomes = run_both(bench, one, other)
    for code, errors in outcomes:
        assert "Traceback" not in errors
        assert code == 0 or (code in CODES and "floorline: " in errors.splitlines()[-1]), (code, errors)
    assert 0 in {code for code, _ in outcomes} or ROTATE in (one, other), outcomes
    check_whole(bench, box)


def test_two_commands_that_both_find_no_database(bench: Bench, box: Sandbox) -> None:
    bench.paths.writer.unlink()
    assert [code for code, _ in run_both(bench, SNAPSHOT, "maintain load")] == [0, 0]
    check_whole(bench, box)

"""A locked database or a full disk: the landing stays pending, and the next run loads it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import FLOORLINE, Bench, basket, catalog_of, clean_env, ledger, main_with
from warehouse.landing.inventory import pending_landings

pytestmark = pytest.mark.file_warehouse("the lock of a file")

LOCK = "import duckdb, sys; db = duckdb.connect(sys.argv[1]); print('locked', flush=True); input()"


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Lock the database in another process; yield the id of the process."""
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        try:
            yield holder.pid
        finally:
            holder.kill()


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    return Bench.at(tmp_path, sandbox, basket(), warehouse={"lock_wait": "1s"})


@pytest.mark.slow
def test_locking_process_is_named_and_the_next_run_loads_both_landings(
    bench: Bench, sandbox: Sandbox
) -> None:
    bench.snapshot()
    sandbox.move(1, provider="steam", item_ids=[3, 8])
    sandbox.advance(600)
    with locked(bench.paths.writer) as pid:
        output = main_with("snapshot", "--no-prefect", "--config", str(bench.config))
        assert output.code == 6
        (line,) = output.err.splitlines()
        assert f"(PID {pid})" in line
        assert "what was fetched is landed and the next run loads it" in line
        assert len(pending_landings(bench.paths.landing)) == 1
        assert bench.changes() == len(bench.quotes())  # readers are not affected
    sandbox.move(1, provider="steam", item_ids=[3, 8])
    sandbox.advance(600)
    bench.snapshot()
    assert bench.query("SELECT count(*) FROM runs WHERE state = 'done'") == [(3,)]
    assert bench.changes() == len(bench.quotes()) + 2
    assert bench.quotes() == ledger(sandbox, ["steam"], [3, 8])
    assert pending_landings(bench.paths.landing) == []


@pytest.mark.slow
def test_rejected_key_raises_its_alert_despite_the_lock(bench: Bench, sandbox: Sandbox) -> None:
    bench.snapshot()
    sandbox.key(VALID_KEY, "revoked")
    with locked(bench.paths.writer):
        assert main_with("snapshot", "--no-prefect", "--config", str(bench.config)).code == 6
    assert [(alert.cause, alert.repeats) for alert in bench.alerts()] == [("auth.failed", 0)]


@pytest.mark.slow
def test_load_waits_for_another_loader_as_long_as_configured(bench: Bench) -> None:
    bench.snapshot()
    with FileLock(bench.paths.lock):
        output = main_with("maintain", "load", "--config", str(bench.config))
    assert output.code == 6
    assert "has been written by" in output.err
    assert "for more than 1 s" in output.err


def test_missing_disk_space_is_reported_before_any_request(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(), warehouse={"least_free": "900TB"})
    output = main_with("snapshot", "--no-prefect", "--config", str(bench.config))
    assert output.code == 6
    assert "MB free and a run needs 900000000 MB" in output.err
    assert len(sandbox.requests) == 0


SMALL_DISK = """
set -e
mount -t tmpfs -o size=64m tmpfs "$1"
"$2" snapshot first --no-prefect --quiet
"$2" snapshot core --no-prefect --quiet & run=$!
while ! grep -q . "$1"/landing/*/*.lines.zst 2>/dev/null; do kill -0 $run; sleep 0.02; done
dd if=/dev/zero of="$1/filler" bs=4096 2>/dev/null || true
set +e
wait $run
echo "exit $?"
rm "$1/filler"
set -e
"$2" snapshot core --no-prefect --quiet --json
"$2" query "SELECT count(*) AS n FROM quotes" --csv
"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("unshare"), reason="a small disk needs a mount namespace")
def test_disk_that_fills_up_during_a_run(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a mount namespace is not permitted here")
    box = make_sandbox(items=1000, tier="free")
    box.fault("latency", seconds=0.1, match={"providers": "steam"}, times=None)
    bench = Bench.at(
        tmp_path,
        box,
        basket("first", providers=["buff163"]),
        catalog_of("steam"),
        source={"concurrency": 2},
    )
    (tmp_path / "data").mkdir()
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", SMALL_DISK, "sh", str(tmp_path / "data"), FLOORLINE],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=clean_env(FLOORLINE_CONFIG=str(bench.config)),
    )
    assert "exit 6\n" in done.stdout, done.stderr
    assert done.stderr.startswith("floorline: no space left on the disk of ")
    assert "Traceback" not in done.stderr
    rows = len(ledger(box, ["steam"])) + len(ledger(box, ["buff163"], [3, 8]))
    assert done.stdout.endswith(f"n\n{rows}\n"), done.stdout

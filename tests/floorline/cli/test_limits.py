"""A machine that grants little: descriptors, threads, address space, file sizes, no home and no name.

Each case is done or one line, and the next run goes on. Cases are new unless their id says guard.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.server import serve
from tests.support.sandboxes import quiet
from tests.support.shell import run_script
from tests.support.snapshots import FLOORLINE, SIX, Bench, basket, catalog_of, clean_env
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
OTHER = "setpriv --reuid 54321 --clear-groups"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with serve(quiet(frozen=None)) as sandbox:
        bench = Bench.at(tmp_path_factory.mktemp("template"), sandbox, basket())
        bench.snapshot()
        yield bench


@pytest.fixture
def bench(template: Bench, tmp_path: Path) -> Bench:
    return template.copy(tmp_path)


@pytest.mark.parametrize(
    ("limit", "command", "code", "line"),
    [
        pytest.param("-n 64", "snapshot", 0, "", id="64 descriptors: guard"),
        pytest.param("-n 64", "doctor", 0, "", id="64 descriptors for doctor: guard"),
        ("-n 20", "snapshot", 1, "this process may have 20 descriptors (`ulimit -n`), and needs 48"),
        ("-n 10", "status", 1, "this process may have 10 descriptors (`ulimit -n`), and needs 16"),
        ("-v 1000000", "snapshot", 1, "bytes of address space (`ulimit -v`), and needs "),
        ("-v 200000", "status", 1, "bytes of address space (`ulimit -v`), and needs "),
        ("-f 0", "snapshot", 6, "no file of this process may be larger than 0 bytes (`ulimit -f`)"),
        ("-f 1000", "snapshot", 6, "(`ulimit -f`)"),
        ("-f 1000", "export all.duckdb", 6, "(`ulimit -f`)"),
        ("-f 8", "maintain rebuild --yes", 6, "(`ulimit -f`)"),
        pytest.param("-f 8", "status", 0, "", id="file size for status: guard"),
    ],
)
def test_a_limit_is_one_line_and_the_next_run_goes_on(
    bench: Bench, limit: str, command: str, code: int, line: str
) -> None:
    done = run_script(bench, f'ulimit {limit}; "$0" {command}')
    assert (done.returncode, done.stderr.count(b"\n")) == (code, int(bool(line))), done.stderr
    assert line in done.stderr.decode()
    assert run_script(bench, '"$0" snapshot').returncode == 0
    assert not list(bench.folder.glob("*.partial*"))


SOURCES = ("cs2cap", "two", "three", "four")


@pytest.fixture(scope="module")
def many_sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Four sources with eight requests at once each, and a catalog of six marketplaces each."""
    with serve(quiet(frozen=None, tier="pro")) as sandbox:
        baskets = [catalog_of(*SIX, name=name, source=name) for name in SOURCES]
        source = {"tier": "pro", "concurrency": 8}
        boxes = dict.fromkeys(SOURCES, sandbox)
        yield Bench.at(tmp_path_factory.mktemp("many"), boxes, *baskets, source=source)


@pytest.mark.parametrize(
    ("limit", "command", "codes"),
    [
        ("-n 64", "snapshot", {0}),
        ("-n 64", "backfill --source two --items 'A*' --from {yesterday:%Y-%m-%d}", {0}),
        ("-n 48", "snapshot", {0}),
        ("-v 3300000", "snapshot", {0, 1}),
        ("-v 3300000", "maintain rebuild --yes", {0, 6}),
    ],
)
def test_several_sources_and_a_backfill_within_little(
    many_sources: Bench, limit: str, command: str, codes: set[int]
) -> None:
    """Done, or one line, and the next run goes on. All are guards but the one of 48 descriptors."""
    command = command.format(yesterday=datetime.now(UTC) - timedelta(days=1))
    done = run_script(many_sources, f'ulimit {limit}; "$0" {command}')
    last = done.stderr.decode().splitlines()[-1:]
    assert done.returncode in codes, done.stderr
    assert b"Traceback" not in done.stderr
    if done.returncode:
        assert last[0].startswith("floorline: "), done.stderr
        assert run_script(many_sources, '"$0" snapshot').returncode == 0


def test_descriptors_for_a_connection_to_each_source(tmp_path: Path) -> None:
    """New: the run used to end in the middle, with fewer descriptors than the line at its end asked for."""
    names = [f"s{number}" for number in range(6)]
    urls = dict.fromkeys(names, "http://127.0.0.1:9")
    bench = Bench.create(tmp_path, urls, *(basket(name, source=name) for name in names))
    done = run_script(bench, 'ulimit -n 59; "$0" snapshot')
    needs = "this process may have 59 descriptors (`ulimit -n`), and needs 60 for 6 sources at once"
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1), done.stderr
    assert needs in done.stderr.decode()


def give_away(bench: Bench, path: str) -> None:
    """Give the warehouse to a user without a name; its configuration says that it is at `path`."""
    text = bench.config.read_text("utf-8").replace('path = "data"', f'path = "{path}"')
    bench.config.write_text(text, "utf-8")
    for folder, _, files in os.walk(bench.folder):
        for name in (".", *files):
            os.chown(Path(folder) / name, 54321, 54321)


@pytest.fixture
def others_bench(bench: Bench) -> Bench:
    """Skip where no command can run as another user, who must reach the folder and the environment."""
    if os.geteuid() or not all(map(shutil.which, ("setpriv", "prlimit"))):
        pytest.skip("another user needs root, setpriv and prlimit")
    for parent in bench.folder.parents[:-2]:
        parent.chmod(parent.stat().st_mode | 0o055)
    return bench


@pytest.mark.parametrize("threads", [2, 6, 12, 20])
def test_too_few_threads_are_one_line(others_bench: Bench, threads: int) -> None:
    give_away(others_bench, "data")
    done = run_script(others_bench, f'ulimit -u {threads}; exec {OTHER} "$0" snapshot')
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1), done.stderr
    assert "more threads (`ulimit -u`), and this needs " in done.stderr.decode()


def test_no_more_threads_in_the_middle_of_a_run(others_bench: Bench) -> None:
    """New: the load waited for ever for threads that could not be started."""
    with serve(quiet(frozen=None, tier="pro")) as sandbox:
        shutil.rmtree(others_bench.paths.root)
        Bench.at(others_bench.folder, sandbox, catalog_of(*SIX))
        give_away(others_bench, "data")
        sandbox.fault("latency", seconds=3600, path="/v1/providers")
        command = [*OTHER.split(), FLOORLINE, "snapshot", "--config", str(others_bench.config)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, env=clean_env(), text=True) as process:
            wait_until(lambda: bool(sandbox.requests.of_path("/v1/providers")))
            no_threads = [*OTHER.split(), "prlimit", "--pid", str(process.pid), "--nproc=0"]
            subprocess.run(no_threads, check=True)
            sandbox.faults.clear()
            try:
                last = process.communicate(timeout=120)[1].splitlines()[-1]
            finally:
                process.kill()
        assert (process.returncode, last[:11]) == (1, "floorline: "), last
        assert "thread" in last
        again = subprocess.run(command, check=False, env=clean_env(), capture_output=True)
        assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("path", "code", "line"),
    [
        ("data", 0, ""),
        ("~/data", 2, "path begins with ~, and no home folder is known: write the whole path\n"),
        (
            "~nobody-has-this-name/x",
            2,
            "path begins with ~, and no home folder is known: write the whole path\n",
        ),
    ],
)
def test_a_user_without_name_and_home(
    others_bench: Bench, sandbox: Sandbox, path: str, code: int, line: str
) -> None:
    give_away(others_bench, path)
    done = run_script(others_bench, f'unset HOME PREFECT_HOME; exec {OTHER} "$0" snapshot')
    assert (done.returncode, done.stderr.decode()[-len(line) :]) == (code, line), done.stderr

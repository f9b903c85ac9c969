"""Soak: snapshots every few seconds while the market moves, the API and the disk fail, and processes die.

    python -m bench.soak [--minutes 30] [--seed 1]

One process takes snapshots without an end; others are killed with -9 at random moments. At each checkpoint
the database must equal the sandbox's ledger, and its history must have no price that was never served.
Descriptors, memory, threads, `state.db`, landings and bytes a changed row must not grow: exit 1 if they do.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from bench.soak.faults import SmallDisk, add_api_fault, damage_file, move_market
from bench.soak.figures import (
    Figures,
    as_table,
    find_trends,
    list_other_files,
    medians,
    size_of_database,
    use_of_warehouse,
)
from bench.soak.ledger import (
    BASKETS,
    ITEMS,
    PROVIDERS,
    SMALL_PAGES_KEY,
    Comparison,
    accept_keys,
    create_bench,
)
from bench.soak.processes import SIGNALS, Resident, find_processes, run_command
from common.clock import SystemClock
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import serve
from tests.support.snapshots import FLOORLINE, clean_env
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state

DISK_MB: Final = 1024
ROLE: Final = "SOAK_ROLE"
# done, read-only, incomplete, auth, plan, warehouse, unusable; a signal, also before it can be handled
EXPECTED: Final = {0, 2, 3, 4, 5, 6, 7, 130, 143, *(-number for number in SIGNALS)}
FORBIDDEN: Final = ("Traceback", VALID_KEY, SMALL_PAGES_KEY)  # in the output
# What allocators keep grows at first, although none is in use: glibc with an arena for each thread, and the
# allocator of Arrow, of which 20 to 40 MB stay resident while Arrow itself counts 0 bytes.
ONE_ARENA: Final = {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
SETTLE: Final = 120.0  # seconds until the database must equal the ledger


class Soak:
    """A sandbox, a warehouse on a small disk, and the threads that move, break and read them."""

    def __init__(
        self, folder: Path, box: Sandbox, disk: SmallDisk | None, *, seed: int, every: float
    ) -> None:
        self._box, self._disk, self._seed, self._every = box, disk, seed, every
        self._bench = create_bench(folder, box)
        self._comparison = Comparison(self._bench, box)
        self._env = clean_env(**{ROLE: "command"})
        self._samples: list[Figures] = []
        self._stopped = threading.Event()
        self._first_size = self._first_rows = 0
        self._first_files: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.windows: list[Figures] = []
        self.new_files: list[str] = []

    def run(self, seconds: float, windows: int) -> None:
        """Soak for so long; at the end of each window, compare and measure."""
        resident = Resident(self._bench.config, self._env | {ROLE: "resident", **ONE_ARENA})
        gates = [threading.Lock() for _ in range(4)]
        loops = (self._move, self._break, self._kill, lambda rng: self._ask(resident, rng))
        threads = [
            threading.Thread(target=self._repeat, args=(loop, gate, random.Random(f"{self._seed} {number}")))
            for number, (loop, gate) in enumerate(zip(loops, gates, strict=True))
        ]
        self._settle()  # the first snapshots fill the caches, before anything fails
        self._first_size, self._first_rows = size_of_database(self._bench.paths)
        for thread in threads:
            thread.start()
        try:
            for _ in range(windows):
                if self._stopped.wait(seconds / windows):
                    break
                with _all_held(gates):
                    self._check()
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()
            resident.kill()

    def _repeat(
        self, step: Callable[[random.Random], float], gate: threading.Lock, rng: random.Random
    ) -> None:
        """Repeat a step, which returns the seconds until the next one, until the soak stops or fails."""
        pause = 0.0
        while not self._stopped.wait(pause):
            try:
                with gate:
                    pause = step(rng)
            except Exception as error:  # noqa: BLE001 - a soak that lost one of its loops is worth nothing
                self.failures.append(f"the soak itself failed: {error!r}")
                self._stopped.set()

    # What happens all the time. Each returns the seconds until the next time.

    def _move(self, rng: random.Random) -> float:
        if rng.random() < 0.02:
            self._box.set_provider_dark(rng.choice(PROVIDERS), rng.random() < 0.5)
        move_market(self._box, PROVIDERS, rng)
        return rng.uniform(0.2, 1.5)

    def _break(self, rng: random.Random) -> float:
        fault, pause = rng.random(), rng.uniform(0.5, 4)
        if fault < 0.6:
            self.counts[f"API: {add_api_fault(self._box, rng)}"] += 1
        elif fault < 0.8:
            self.counts[f"files: {damage_file(self._bench.paths, rng)}"] += 1
        elif fault < 0.84:
            self._box.fault("revoke_key", after=rng.randrange(8))
            self.counts["API: key revoked"] += 1
        elif fault < 0.92:
            self._accept_key()
        elif self._disk is not None:
            self._break_disk(self._disk, rng, pause)
        return pause

    def _break_disk(self, disk: SmallDisk, rng: random.Random, seconds: float) -> None:
        if rng.random() < 0.5:
            disk.fill(rng.choice((0, 0, 4096, 100_000, 2_000_000)))
            self.counts["disk: full"] += 1
        elif disk.set_read_only():
            self.counts["disk: read-only"] += 1
        self._stopped.wait(seconds)
        disk.repair()

    def _kill(self, rng: random.Random) -> float:
        """Take a snapshot in a process of its own; let the process end, or kill it."""
        self._snapshot(rng, rng.choice(BASKETS))
        return rng.uniform(0, self._every)

    def _snapshot(self, rng: random.Random | None, *names: str) -> str:
        """Run the command; with `rng` it may be killed or limited. Return its output."""
        arguments = [*names, "--no-prefect", "--config", str(self._bench.config)]
        code, output = run_command([FLOORLINE, "snapshot", *arguments], self._env, rng)
        self.counts[f"exit {code}"] += 1
        if code not in EXPECTED or any(word in output for word in FORBIDDEN):
            self.failures.append(f"{names or 'all'} ended with {code}: {output[-3000:]}")
        return output

    def _ask(self, resident: Resident, rng: random.Random) -> float:
        """Let the long-lived process take a snapshot, and keep what the process uses."""
        outcome, figures = resident.take_snapshot(rng.choice(BASKETS))
        self.counts[f"in-process: {outcome}"] += 1
        self._samples.append(figures)
        return self._every

    # Checkpoints

    def _check(self) -> None:
        """Compare the database with the sandbox, and add the figures of a window."""
        self._settle()
        if invented := self._comparison.find_invented():
            self.failures.append(f"{len(invented)} quotes were never served: {invented[:5]}")
        if incomplete := self._comparison.find_incomplete_runs():
            self.failures.append(f"{len(incomplete)} runs are incomplete: {incomplete[:5]}")
        self._check_processes()
        size, rows = size_of_database(self._bench.paths)
        database = {
            "database MB": size / 1e6,
            "changed rows": rows,
            "bytes a changed row": (size - self._first_size) / max(rows - self._first_rows, 1),
        }
        files = use_of_warehouse(self._bench.paths)
        names = set(list_other_files(self._bench.paths))
        self._first_files = self._first_files or names
        self.new_files = sorted(names - self._first_files)
        snapshots = {"snapshots": len(self._samples)}
        self.windows.append({**medians(self._samples), **files, **database, **snapshots})
        self._samples = []
        print(json.dumps(self.windows[-1]), flush=True)

    def _settle(self) -> None:
        """Repair everything and take snapshots until the database equals the ledger, or for too long."""
        if self._disk is not None:
            self._disk.repair()
        self._box.faults.clear()
        for provider in PROVIDERS:
            self._box.set_provider_dark(provider, False)
        self._accept_key()
        deadline = time.monotonic() + SETTLE
        while True:
            output = self._snapshot(None)
            wrong = self._comparison.find_differences()
            if not wrong:
                return
            if time.monotonic() > deadline:
                self.failures.append(f"{len(wrong)} quotes differ from the ledger: {wrong[:10]}; {output}")
                return
            self.counts["snapshots until equal"] += 1

    def _accept_key(self) -> None:
        """Make the key valid again and clear its alert, as a person does; no other alert needs a person."""
        accept_keys(self._box)
        with suppress(Exception):  # the disk may be full; the next time works
            alerts = AlertStore(open_state(self._bench.paths))
            for alert in alerts.list_alerts(open_only=True):
                alerts.clear(alert.alert_id or 0, SystemClock().now())

    def _check_processes(self) -> None:
        """Check that no process has outlived its command."""
        deadline = time.monotonic() + 10
        while left := list(find_processes(f"{ROLE}=command")):
            if time.monotonic() > deadline:
                self.failures.append(f"processes outlived their command: {left}")
                return
            time.sleep(0.1)


@contextmanager
def _all_held(gates: list[threading.Lock]) -> Iterator[None]:
    with ExitStack() as stack:
        for gate in gates:
            stack.enter_context(gate)
        yield


def main() -> None:
    """Soak, print the figures and the failures; exit 1 if there is one."""
    parser = argparse.ArgumentParser(description="Soak Floorline in failures.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=3, help="seconds between the snapshots of a process")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if os.geteuid() == 0 and "SOAK_MOUNTS" not in os.environ:  # mounts that end with this process
        os.environ["SOAK_MOUNTS"] = "own"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, "-m", "bench.soak", *sys.argv[1:]])  # noqa: S606
    windows = max(3, round(arguments.minutes / 5))
    soak = _soak(arguments, windows)
    failures = [*soak.failures, *find_trends(soak.windows)]
    print(as_table(soak.windows, arguments.minutes / windows))
    print("\n".join(f"{name}: {count:,}" for name, count in sorted(soak.counts.items())))
    print("\n".join(f"new file: {name}" for name in soak.new_files))
    print("\n".join(f"FAILED: {failure}" for failure in failures) or "no failure")
    sys.exit(bool(failures))


def _soak(arguments: argparse.Namespace, windows: int) -> Soak:
    options = Options(items=ITEMS, tier="quant", limits=False, refresh=0, seed=arguments.seed)
    with ExitStack() as stack:
        box = stack.enter_context(serve(options))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="floorline-soak-"))) / "disk"
        disk = None
        if os.geteuid() == 0:
            disk = SmallDisk(folder, DISK_MB)
            stack.callback(disk.close)
        soak = Soak(folder, box, disk, seed=arguments.seed, every=arguments.every)
        soak.run(arguments.minutes * 60, windows)
    return soak


if __name__ == "__main__":
    main()

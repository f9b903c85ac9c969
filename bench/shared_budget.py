"""Show that two machines keep the one budget of a key, whatever their clocks say.

    python -m bench.shared_budget [--seconds 600]

Eight processes, four a machine, ask one sandbox as fast as they may with one key of 60 requests a minute; the
ledger of the key is in PostgreSQL. The clocks of the two machines stand five minutes apart. The sandbox
answers each request after four seconds, so that a minute's requests arrive one by one and not all at once.
Some times it answers one of them with 429. What is counted are the requests that arrived at the sandbox.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.checks import Checks
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.request_log import LogEntry
from sandbox.server import serve
from tests.support.postgres import running_postgres
from tests.support.states import process_environment, share

PER_MINUTE = 60
WINDOW = 60.0
AHEAD = (0.0, 300.0)  # seconds, of the clocks of the two machines
PROCESSES = 4  # of each machine
LATENCY = 4  # seconds of every response; so many processes could send twice the budget
RETRY_AFTER = 20  # seconds that a 429 asks for
HELD_WITHIN = 1.0  # seconds
FIRST = 10  # requests of a minute before the one that is refused: the others are due in a moment
REFUSALS = 3


def main() -> None:
    """Flood the sandbox from two machines, and check what arrived."""
    parser = argparse.ArgumentParser(description="Show that two machines keep the budget of a key.")
    parser.add_argument("--seconds", type=float, default=600)
    seconds = parser.parse_args().seconds
    with (
        running_postgres() as postgres,
        serve(Options(items=30, refresh=0, windows="both")) as box,
        tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder,
    ):
        box.keys.put(VALID_KEY, "valid", tier="pro").minute_cap = PER_MINUTE
        box.fault("latency", path="", seconds=LATENCY, times=None)
        responses = _run_machines(box, Path(folder), postgres.create_database(), seconds=seconds)
        box.faults.clear()  # the last responses wait for nothing
        _check(box.requests.since(0), responses)


def _run_machines(box: Sandbox, folder: Path, database: str, *, seconds: float) -> list[list[int]]:
    """Return the responses that each process of each machine had."""
    machines = []
    for number, ahead in enumerate(AHEAD):
        home = folder / str(number)
        home.mkdir()
        paths = share(home, database)
        command = [sys.executable, "-m", "tests.support.flood", str(home), box.url, str(seconds), str(ahead)]
        environment = process_environment(paths)
        machines.append(
            [
                subprocess.Popen([*command, "1"], stdout=subprocess.PIPE, env=environment)
                for _ in range(PROCESSES)
            ]
        )
    began = time.monotonic()
    for number in range(1, REFUSALS + 1):
        _refuse_one(box, began + seconds * number / (REFUSALS + 1))
    return [[int(process.communicate()[0]) for process in processes] for processes in machines]


def _refuse_one(box: Sandbox, not_before: float) -> None:
    """Answer a request with 429, after the first ones of a minute."""
    time.sleep(max(0.0, not_before - time.monotonic()))
    while time.time() - box.requests.since(0)[-1].t < 2 * LATENCY:  # until the minute is used up
        time.sleep(0.1)
    box.fault("rate_limited", path="", after=FIRST, retry_after=RETRY_AFTER)


def _check(log: Sequence[LogEntry], responses: list[list[int]]) -> None:
    checks = Checks()
    times = [entry.t for entry in log]
    most = max(_count(times, start, start + WINDOW) for start in times)
    minutes = (times[-1] - times[0]) / 60
    print(f"{len(log)} requests in {minutes:.1f} minutes; by machine and process: {responses}")
    statuses = Counter(entry.status for entry in log)
    checks.check(most <= PER_MINUTE, f"at most {most} requests in any 60 s; the key has {PER_MINUTE}")
    forced = statuses[429] == REFUSALS
    checks.check(forced, f"{statuses[429]} responses are 429, {REFUSALS} of them forced")
    least = min(min(machine) for machine in responses)
    checks.check(least > 0, f"every process had its share: at least {least} responses")
    for refusal in (entry.t + LATENCY for entry in log if entry.status == 429):  # when it was answered
        before = _count(times, refusal - RETRY_AFTER / 2, refusal)
        late = _count(times, refusal + HELD_WITHIN, refusal + RETRY_AFTER)
        last = max(t for t in times if t < refusal + RETRY_AFTER) - refusal
        checks.check(
            before > 0 and late == 0,
            f"a 429 holds both machines: {before} requests in the {RETRY_AFTER / 2:.0f} s before its answer,"
            f" {late} from {HELD_WITHIN:.0f} to {RETRY_AFTER} s after it; the last one at {last:+.2f} s",
        )
    checks.exit()


def _count(times: Sequence[float], start: float, end: float) -> int:
    """Return how many moments are from `start` until before `end`."""
    return sum(start <= t < end for t in times)


if __name__ == "__main__":
    main()

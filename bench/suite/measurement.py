"""Measure what runs in processes of its own, several contenders in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

Figures = dict[str, float]
Samples = dict[str, list[Figures]]
Contenders = dict[str, Callable[[], Figures]]


class ContenderFailed(Exception):
    """A contender ended with an error: its message is the last line of its output."""


def measure_process(command: Sequence[str]) -> Figures:
    """Run a command; return its seconds, its CPU seconds and its peak memory in MB.

    Figures that the command prints as JSON in its last line replace those. Raises ContenderFailed.
    """
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        lines = (process.stdout.read() if process.stdout else "").splitlines() or [""]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ContenderFailed(f"{Path(command[0]).name}: {lines[-1]}")
    figures: Figures = {
        "seconds": time.perf_counter() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }
    return figures | (json.loads(lines[-1]) if lines[-1].startswith("{") else {})


def measure_module(module: str, *arguments: object) -> Figures:
    """Run `python -m MODULE ARGUMENT...` with this Python, and return what `measure_process` returns."""
    return measure_process([sys.executable, "-m", module, *map(str, arguments)])


def interleave(
    contenders: Contenders,
    rounds: int,
    before_round: Callable[[], None] = lambda: None,
) -> Samples:
    """Measure each contender once a round, from another one on in each round; leave out those that fail."""
    names, samples = list(contenders), {name: [] for name in contenders}  # type: tuple[list[str], Samples]
    for number in range(rounds):
        before_round()
        turn = number % len(names)
        for name in (*names[turn:], *names[:turn]):
            if name not in samples:
                continue
            try:
                samples[name].append(contenders[name]())
            except ContenderFailed as error:
                log(f"left out: {name}: {error}")
                del samples[name]
            else:
                log(f"round {number + 1}: {name}: {samples[name][-1]['seconds']:.2f} s")
    return samples


def collect(samples: Samples, name: str, field: str = "seconds") -> list[float]:
    """Return one figure of a contender in each round."""
    return [figures[field] for figures in samples[name]]


def ratios(samples: Samples, name: str, of: str, field: str = "seconds") -> list[float]:
    """Return what one contender took in each round, as a multiple of another one's."""
    pairs = zip(collect(samples, name, field), collect(samples, of, field), strict=True)
    return [one / other for one, other in pairs]


def multiples(samples: Samples, of: str) -> dict[str, float]:
    """Return the median multiple of each contender's time of one contender's time."""
    return {name: statistics.median(ratios(samples, name, of)) for name in samples}


def check_rows(samples: Samples, names: Iterable[str]) -> None:
    """Raise AssertionError where contenders did not store the same number of rows in each round."""
    stored = [collect(samples, name, "rows") for name in names if name in samples]
    assert all(rows == stored[0] for rows in stored), stored


def log(message: str) -> None:
    """Tell the progress on the standard error."""
    print(message, file=sys.stderr, flush=True)

"""Helpers of the benchmarks: configuration, control of a sandbox, child processes and output."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox.cs2cap.keys import VALID_KEY

FLOORLINE = str(Path(sys.executable).with_name("floorline"))
CONFIG = """\
[warehouse]
path = "{folder}"
[sources.cs2cap]
base_url = "{url}"
key = "env:BENCH_KEY"
{source}
[[baskets]]
name = "all"
source = "cs2cap"
{basket}
"""
ALL_ITEMS = 'items = ["all"]'
CATALOGS = f'{ALL_ITEMS}\nroute = "catalog"'  # the quickest plan of the largest tier is a stream


def write_config(folder: Path, url: str, *, basket: str = ALL_ITEMS, source: str = "") -> Path:
    """Write a configuration with one basket; `basket` and `source` are more lines of their tables."""
    os.environ["BENCH_KEY"] = VALID_KEY
    config = folder / "floorline.toml"
    config.write_text(CONFIG.format(folder=folder, url=url, source=source, basket=basket), "utf-8")
    return config


def control(url: str, path: str, body: object = None) -> Any:
    """Send a request to a control route of the sandbox: POST with a body, GET without one."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/_sandbox/{path}", data=data)
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.load(response)


def run_part(module: str, *arguments: str) -> dict[str, float]:
    """Run a part of a benchmark in another process; return the figures that it prints as JSON."""
    command = [sys.executable, "-m", module, "--part", *arguments]
    return read_figures(command)


def read_figures(command: Sequence[str]) -> dict[str, float]:
    """Run a command; return the JSON in its last line."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def time_command(command: Sequence[str]) -> float:
    """Return the seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def read_pss(pid: int) -> float:
    """Return the proportional set size of a process in megabytes; 0 if it has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    match = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
    return int(match[1]) / 1024 if match else 0


def describe(numbers: Sequence[float], unit: str = "") -> str:
    """Return the median, and all numbers in order."""
    ordered = ", ".join(f"{number:.2f}" for number in sorted(numbers))
    return f"{statistics.median(numbers):.2f}{unit} (of {ordered})"

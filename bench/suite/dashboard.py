"""The part `dashboard`: its pages, its start, its memory through a publish, and the same record in Python."""

from __future__ import annotations

import dataclasses
import http.client
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bench.market import ITEMS
from bench.suite.growth import load_next
from bench.suite.history import copy_history
from bench.suite.measurement import Contenders, Figures, collect, interleave, log, measure_process
from bench.suite.options import SuiteOptions
from bench.suite.results import Figure, Findings
from bench.support import FLOORLINE
from sandbox.market.providers import KEYS
from warehouse.paths import WarehousePaths

REQUESTS: Final = 100
ITEM: Final = "AK-47 | Finish 777 (Field-Tested)"
# Each page with its addresses by number, no two of which are alike, and the goal in milliseconds.
PAGES: Final[Mapping[str, tuple[Callable[[int], str], float]]] = {
    "market": (lambda n: f"/?n={n}", 150),
    "items": (lambda n: f"/items?q=finish+{n * 37 % ITEMS}+ft", 60),
    "item": (lambda n: f"/item/{quote(f'AK-47 | Finish {n * 31 % ITEMS + 1} (Field-Tested)', safe='')}", 100),
    "spreads": (lambda n: f"/spreads?least={n / 100}", 250),
    "spreads of one marketplace": (lambda n: f"/spreads?buy={KEYS[n % len(KEYS)]}&least={n / 100}", 250),
    "movers": (lambda n: f"/movers?least={n / 100}", 150),
    "movers of 7 days": (lambda n: f"/movers?window=7d&least={n / 100}", 150),
    "collection": (lambda n: f"/collection?n={n}", 150),
}
IMPORT: Final = "import floorline"
OPEN: Final = "import floorline; floorline.open({path!r}).quotes({item!r})"
TIMED: Final = """
import json, time
began = time.perf_counter()
{}
print(json.dumps({{"seconds": time.perf_counter() - began}}))
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A dashboard in a process of its own, and the seconds from its start to its first page."""

    pid: int
    connection: http.client.HTTPConnection
    first_page: float = 0.0

    def get(self, address: str) -> tuple[float, str]:
        """Return the milliseconds of a page, and its ETag."""
        began = time.perf_counter()
        self.connection.request("GET", address)
        response = self.connection.getresponse()
        response.read()
        assert response.status == 200, (address, response.status)
        return 1_000 * (time.perf_counter() - began), response.headers["ETag"]

    def memory(self, name: str) -> float:
        """Return a figure of the process in MB: VmRSS is its memory, VmHWM the peak of it."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition(f"{name}:")[2].split()[0]) / 1024

    def wait_until_idle(self) -> None:
        """Wait until the process has used no CPU for a second: all of its tables are made."""
        before = -1
        while (used := self._ticks()) > before + 1:
            before = used
            time.sleep(1)
        self.connection.close()

    def _ticks(self) -> int:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])


def run_dashboard(options: SuiteOptions) -> Findings:
    """Measure the dashboard on the longest history; each page with 100 addresses a round."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as where Floorline is installed
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        paths, config = copy_history(max(options.history), Path(folder))
        with _serve(config):
            pass  # Python has compiled its modules now
        starts = [_time_start(config, options) for _ in range(options.rounds)]
        with _serve(config) as server:
            server.wait_until_idle()
            pages = {name: _time_page(server, address, options) for name, (address, _) in PAGES.items()}
            memory = server.memory("VmRSS")
            numbers = count(2)
            swaps = [_swap(server, paths, config, numbers) for _ in range(options.rounds)]
        record = _time_record(paths, config, options)
    figures = [
        Figure("dashboard, start to first page", starts, "s", at_most=2.0),
        *_describe_pages(pages),
        Figure("memory with all tables, after these requests", [memory], "MB", at_most=600),
        Figure("peak of memory through a publish", [one["peak_mb"] for one in swaps], "MB", at_most=600),
        Figure("publish to its first page", [one["seconds"] for one in swaps], "s", at_most=3.0),
        *record,
    ]
    bars = {name: statistics.median(first) / PAGES[name][1] for name, (first, _) in pages.items()}
    return Findings(figures, bars)


@contextmanager
def _serve(config: Path) -> Iterator[Server]:
    """Yield a dashboard that has answered with its first page."""
    began = time.perf_counter()
    command = [FLOORLINE, "dashboard", "--no-open", "--port", "0", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://(\S+?)/", process.stdout.readline())
            assert address is not None
            server = Server(process.pid, http.client.HTTPConnection(address[1]))
            server.get("/")
            yield dataclasses.replace(server, first_page=time.perf_counter() - began)
        finally:
            process.terminate()


def _time_start(config: Path, options: SuiteOptions) -> float:
    """Return the seconds from the start of the command to its first page."""
    options.watch.sample()
    with _serve(config) as server:
        return server.first_page


def _time_page(
    server: Server, address: Callable[[int], str], options: SuiteOptions
) -> tuple[list[float], list[float]]:
    """Return the 95th percentile of the milliseconds of 100 addresses, and of the same again, each round."""
    first: list[float] = []
    again: list[float] = []
    for number in range(options.rounds):
        options.watch.sample()
        server.connection.close()  # the server has closed an idle one, and the next request opens one
        addresses = [address(number * REQUESTS + n) for n in range(REQUESTS)]
        for percentiles in (first, again):
            milliseconds = [server.get(each)[0] for each in addresses]
            percentiles.append(statistics.quantiles(milliseconds, n=20)[-1])
        log(f"{addresses[0]}: {first[-1]:.0f} ms, again {again[-1]:.1f} ms")
    return first, again


def _describe_pages(pages: Mapping[str, tuple[list[float], list[float]]]) -> Iterator[Figure]:
    for name, (first, again) in pages.items():
        goal = PAGES[name][1]
        yield Figure(f"{name}, 95% of {REQUESTS} requests within", first, "ms", at_most=goal)
        yield Figure(f"{name}, the same requests again", again, "ms", at_most=5)


def _swap(server: Server, paths: WarehousePaths, config: Path, numbers: Iterator[int]) -> Figures:
    """Publish a change; return the seconds until the dashboard shows it, and its peak memory meanwhile."""
    _, before = server.get("/")
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # the peak counts from now on
    load_next(paths, config, numbers)
    server.connection.close()
    began = time.perf_counter()
    while server.get("/")[1] == before:
        time.sleep(0.02)
    seconds = time.perf_counter() - began
    server.wait_until_idle()
    return {"seconds": seconds, "peak_mb": server.memory("VmHWM")}


def _time_record(paths: WarehousePaths, config: Path, options: SuiteOptions) -> list[Figure]:
    """Time the same record in the terminal and in Python, each in a process of its own."""
    opened = OPEN.format(path=str(paths.published), item=ITEM)
    contenders: Contenders = {
        "floorline price": partial(
            measure_process, [FLOORLINE, "price", "finish 777 ft", "--config", str(config)]
        ),
        "import floorline": partial(measure_process, [sys.executable, "-c", TIMED.format(IMPORT)]),
        "floorline.open, quotes of one item": partial(
            measure_process, [sys.executable, "-c", TIMED.format(opened)]
        ),
    }
    goals = dict(zip(contenders, (0.8, 0.15, 0.5), strict=True))
    samples = interleave(contenders, max(options.rounds, 5), options.watch.sample)
    return [Figure(name, collect(samples, name), "s", at_most=goals[name]) for name in samples]

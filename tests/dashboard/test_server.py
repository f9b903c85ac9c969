"""The command `floorline dashboard`: a server on loopback that follows publishes and ends when told to."""

from __future__ import annotations

import functools
import itertools
import re
import signal
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from dashboard.server import send_at_once
from tests.support.clocks import NOON
from tests.support.dashboards import run_dashboard
from tests.support.snapshots import main_with
from tests.support.waiting import wait_until
from tests.support.warehouse import Quote, create_warehouse, land, load, observe
from warehouse.paths import WarehousePaths

pytestmark = pytest.mark.server  # the command listens before it opens the database
NAME = "AK-47 | Redline (Field-Tested)"


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    paths = create_warehouse(tmp_path)
    (tmp_path / "floorline.toml").write_text(f'[warehouse]\npath = "{tmp_path}"\n')
    publish(paths, 0)
    return paths


def publish(paths: WarehousePaths, number: int) -> None:
    at = NOON + timedelta(hours=number)
    land(paths, f"run-{number}", observe(at, Quote("1", 100 + number, name=NAME)), interval_seconds=60)
    load(paths)


@pytest.mark.slow
def test_dashboard_follows_a_publish(paths: WarehousePaths) -> None:
    with run_dashboard(paths.root / "floorline.toml") as (url, process):
        assert "1.00" in httpx.get(url, timeout=60).text
        publish(paths, 1)
        wait_until(lambda: "1.01" in httpx.get(url, timeout=60).text)
        assert count_old_files(process.pid) == 0


def test_answer_does_not_wait_for_the_receipt_of_its_headers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        send_at_once(listener)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def count_old_files(pid: int) -> int:
    """Return how many published files a process has open that another one has replaced."""
    files = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return sum("market.duckdb (deleted)" in file for file in files)


def replace(path: Path, content: bytes) -> None:
    """Put a new file in the place of a published one, as a publish does."""
    partial = path.with_name("partial")
    partial.write_bytes(content)
    partial.replace(path)


def shows(address: str, best_ask: str) -> bool:
    """Return whether the page of an item shows this amount as its best ask."""
    return f"<dd>{best_ask}</dd>" in httpx.get(address, timeout=60).text


@pytest.mark.slow
def test_fifty_publishes_under_four_readers(paths: WarehousePaths) -> None:
    """Every page is whole, every publish is shown, and no file of an older one stays open."""
    files = [paths.published.read_bytes()]
    publish(paths, 1)
    files.append(paths.published.read_bytes())
    done = threading.Event()
    pages = ["", "items?q=redline", f"item/{quote(NAME)}", "movers", "spreads", "collection"]

    def read(url: str, first: int) -> Counter[int]:
        answers: Counter[int] = Counter()
        with httpx.Client(base_url=url, timeout=60) as client:
            for page in itertools.islice(itertools.cycle(pages), first, None):
                answers[client.get(page).status_code] += 1
                if done.is_set():
                    break
        return answers

    with run_dashboard(paths.root / "floorline.toml") as (url, process), ThreadPoolExecutor(4) as readers:
        found = [readers.submit(read, url, number) for number in range(4)]
        try:
            for number in range(50):
                replace(paths.published, files[number % 2])
                wait_until(functools.partial(shows, url + pages[2], ("1.00", "1.01")[number % 2]), 60)
        finally:
            done.set()
        answers = [each.result() for each in found]
        assert {status for each in answers for status in each} == {200}
        wait_until(lambda: count_old_files(process.pid) == 0, 60)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_dashboard_well(paths: WarehousePaths, number: signal.Signals) -> None:
    with run_dashboard(paths.root / "floorline.toml") as (url, process):
        assert httpx.get(url, timeout=60).status_code == 200
        process.send_signal(number)
        assert process.wait(60) == 0


@pytest.mark.slow
def test_root_path_stands_before_every_link(paths: WarehousePaths) -> None:
    with run_dashboard(paths.root / "floorline.toml", "--root-path", "/market") as (url, _):
        page = httpx.get(url, timeout=60).text
        assert set(re.findall(r'(?:href|src|action)="([^"#]*)', page)) >= {"/market/", "/market/items"}
        assert not re.search(r'(?:href|src|action)="(?!/market/|#)', page)


def test_address_beyond_this_machine_needs_a_name(paths: WarehousePaths) -> None:
    config = ("--config", str(paths.root / "floorline.toml"), "--no-open", "--port", "0")
    output = main_with("dashboard", "--host", "0.0.0.0", *config)  # noqa: S104 - refused
    assert (output.code, output.err.count("\n")) == (2, 1)
    assert "0.0.0.0 is open to the network, and the pages have no password" in output.err


def test_port_that_is_taken_is_one_line(paths: WarehousePaths) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        output = main_with(
            "dashboard", "--no-open", "--port", port, "--config", str(paths.root / "floorline.toml")
        )
    assert (output.code, output.err.count("\n")) == (2, 1)
    assert f"port {port}: another program uses it; choose another --port" in output.err


def test_missing_database_is_one_line(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    (tmp_path / "floorline.toml").write_text(f'[warehouse]\npath = "{tmp_path}"\n')
    output = main_with(
        "dashboard", "--no-open", "--port", "0", "--config", str(paths.root / "floorline.toml")
    )
    assert (output.code, output.err.count("\n")) == (2, 1)
    assert "run `floorline snapshot` first" in output.err

"""The command `floorline dashboard`: a server on loopback that follows publishes and ends when told to."""

from __future__ import annotations

import re
import signal
import socket
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

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


def test_dashboard_follows_a_publish(paths: WarehousePaths) -> None:
    with run_dashboard(paths) as (url, process):
        assert "1.00" in httpx.get(url, timeout=60).text
        publish(paths, 1)
        wait_until(lambda: "1.01" in httpx.get(url, timeout=60).text)
        files = [str(entry.readlink()) for entry in Path(f"/proc/{process.pid}/fd").iterdir()]
        assert not any("market.duckdb (deleted)" in file for file in files)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_dashboard_well(paths: WarehousePaths, number: signal.Signals) -> None:
    with run_dashboard(paths) as (url, process):
        assert httpx.get(url, timeout=60).status_code == 200
        process.send_signal(number)
        assert process.wait(60) == 0


def test_root_path_stands_before_every_link(paths: WarehousePaths) -> None:
    with run_dashboard(paths, "--root-path", "/market") as (url, _):
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

"""The dashboard of `floorline up`: one that dies at once is restarted three times, and then stays off."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from common.errors import ConfigError
from common.supervisor_lock import hold
from floorline.up.dashboard_process import DashboardProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.server


@pytest.mark.slow
def test_dashboard_that_dies_again_and_again_stays_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = tmp_path / "lock"
    (tmp_path / "market.duckdb").write_bytes(b"no database")
    dashboard = DashboardProcess(tmp_path, tmp_path, lock, port=0)
    port = int(dashboard.address.split(":")[-1].strip("/"))
    with hold(lock, 0):
        dashboard.start(tmp_path)
        for _ in range(4):
            wait_until(lambda: dashboard.process.returncode is not None, 60, every=0.05)
            dashboard.restart_dead(tmp_path)
        dashboard.restart_dead(tmp_path)
    told = caplog.text
    assert told.count("dashboard died, with exit code ") == 4
    assert told.count("Restarting the dashboard.") == 3
    assert "The dashboard stays off; start it with `floorline dashboard`." in told
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


def test_port_in_use_names_the_option(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="choose another one with --dashboard-port"):
            DashboardProcess(tmp_path, tmp_path, tmp_path, port=port)

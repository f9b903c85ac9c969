"""No command shows a password of an address that is set for it, whatever goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.snapshots import Bench, basket
from tests.support.up import free_port

pytestmark = pytest.mark.slow
CLOSED = "127.0.0.1:9"
PREFECT, DATABASE = "PREFECT_API_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL"
AUTH = f"http://me:planted@{CLOSED}/api"
ODD = f"http://me:planted/pw@{CLOSED}/api"  # not encoded: httpx takes the password for a port
UP = ("up", "--port", str(free_port()))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a project whose source, whose receivers of alerts and whose proxies do not answer."""
    made = Bench.create(tmp_path, {"cs2cap": f"https://{CLOSED}"}, basket())
    return made.with_notify(
        f"json://me:planted@{CLOSED}/alerts", "env:OPS_HOOK", f"slack://planted/planted/{'p' * 24}"
    )


CASES = [
    (("snapshot",), {PREFECT: AUTH}, 2),  # new
    (("snapshot",), {PREFECT: ODD}, 2),  # new
    (("alerts", "apply"), {PREFECT: AUTH}, 2),  # new
    (("alerts", "apply"), {PREFECT: ODD}, 2),  # new
    (("doctor",), {PREFECT: AUTH}, 1),  # a guard
    (("doctor",), {PREFECT: ODD}, 1),  # new
    (UP, {PREFECT: AUTH}, 2),  # new
    (UP, {PREFECT: ODD}, 2),  # new
    (UP, {DATABASE: f"postgresql+asyncpg://me:planted@{CLOSED}/x"}, 1),  # a guard
    (UP, {DATABASE: "postgres+planted://me:planted@h/x"}, 1),  # a guard
    (("alerts", "test"), {}, 1),  # a guard
    (("snapshot",), {"HTTPS_PROXY": f"http://me:planted@{CLOSED}"}, 1),  # a guard
    (("doctor",), {"HTTPS_PROXY": f"http://me:planted@{CLOSED}"}, 1),  # a guard
    (("key", "status"), {"HTTPS_PROXY": f"http://me:planted@{CLOSED}"}, 4),  # a guard
]


@pytest.mark.parametrize(("command", "env", "code"), CASES, ids=range(len(CASES)))
def test_no_password_of_an_address_is_shown_or_written(
    bench: Bench, command: tuple[str, ...], env: dict[str, str], code: int
) -> None:
    done = bench.command(*command, config=True, check=code, OPS_HOOK=f"json://me:planted@{CLOSED}", **env)
    shown = done.stdout + done.stderr
    assert "Traceback" not in shown or command == UP  # `up` shows the end of the server's log
    assert "me:planted" not in shown.replace("postgres.planted", "")
    assert "planted/pw" not in shown
    written = [path for path in bench.folder.rglob("*") if path.is_file() and path != bench.config]
    assert [path for path in written if b"me:planted" in path.read_bytes()] == []

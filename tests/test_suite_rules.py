"""Rules of the test suite: the marker `server` and its guard, and no imports between tests."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sandboxes import MakeSandbox
from tests.support.server_use import no_server


def test_fixture_that_serves_a_sandbox_sets_marker(
    request: pytest.FixtureRequest, make_sandbox: MakeSandbox
) -> None:
    assert request.node.get_closest_marker("server")


def test_starting_a_process_sets_marker(request: pytest.FixtureRequest) -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)
    assert request.node.get_closest_marker("server")


def test_plain_test_has_no_marker(request: pytest.FixtureRequest) -> None:
    assert not request.node.get_closest_marker("server")


def test_guard_fails_a_test_that_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError), no_server(monkeypatch), socket.socket() as listener:  # noqa: PT012
        listener.bind(("127.0.0.1", 0))
        with pytest.raises(pytest.fail.Exception, match="listens on a socket"):
            listener.listen()


def test_no_test_imports_a_test_or_conftest() -> None:
    imported = re.compile(r"^\s*(from|import) tests\.(?!support\b)", re.MULTILINE)
    files = Path(__file__).parent.rglob("*.py")
    assert [path.name for path in files if imported.search(path.read_text("utf-8"))] == []

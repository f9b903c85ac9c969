"""The marker `server`: which tests get it, and what the guard refuses to a test without it."""

import socket
import subprocess
import sys

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

"""A module is hidden inside of a block only, and only where nobody has imported it."""

import importlib
import subprocess
import sys

import pytest

from connectors.http.imports import hide_module


def test_hidden_module_cannot_be_imported_in_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with hide_module("this"), pytest.raises(ImportError):
        importlib.import_module("this")
    assert "this" not in sys.modules


def test_module_that_is_imported_already_stays() -> None:
    with hide_module("json"):
        assert importlib.import_module("json") is sys.modules["json"]
    assert "json" in sys.modules


def test_httpx_is_whole_without_its_command_line() -> None:
    transport = importlib.import_module("connectors.http.transport")
    assert transport.httpx.AsyncClient
    assert sys.modules.get("httpx._main", transport) is not None


def test_transport_loads_no_http2_and_leaves_it_to_others() -> None:
    script = (
        "import sys; from connectors.http import transport; print('h2' in sys.modules)\n"
        "import httpx; httpx.AsyncClient(http2=True)\n"
        "from httpcore._async.http2 import AsyncHTTP2Connection; print('h2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]

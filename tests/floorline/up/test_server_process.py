"""Where the server of `floorline up` listens, and under which address its clients find it."""

from __future__ import annotations

import socket

import pytest

from common.addresses import is_loopback_host
from common.errors import ConfigError
from floorline.up.access import api_address
from floorline.up.server_process import listen

pytestmark = pytest.mark.server


def test_port_0_is_any_free_port() -> None:
    with listen("127.0.0.1", 0) as one, listen("localhost", 0) as two:
        assert 0 < one.getsockname()[1] != two.getsockname()[1]


@pytest.mark.parametrize(
    "host", ["no-such-host.invalid", "999.1.1.1", "192.0.2.1", "a b", "\udcff", "x" * 70]
)
def test_host_that_is_none_is_one_line(host: str) -> None:
    with pytest.raises(ConfigError, match="--host must be an address of this machine") as refused:
        listen(host, 4200)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("port", [-1, 65_536, 10**9])
def test_port_that_is_none_is_one_line(port: int) -> None:
    with pytest.raises(ConfigError, match=f"port {port} on loopback cannot be used"):
        listen("127.0.0.1", port)


def test_port_in_use_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="choose another one with --port; 0 is any free one"):
            listen("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "url", "loopback"),
    [
        ("127.0.0.1", "http://127.0.0.1:4200/api", True),
        ("localhost", "http://localhost:4200/api", True),
        ("::1", "http://[::1]:4200/api", True),
        ("0.0.0.0", "http://127.0.0.1:4200/api", False),  # noqa: S104 - an argument, not an address to bind
        ("::", "http://[::1]:4200/api", False),
        ("192.168.1.5", "http://192.168.1.5:4200/api", False),
    ],
)
def test_clients_on_this_machine_find_a_server_on_any_address(host: str, url: str, loopback: bool) -> None:
    assert (api_address(host, 4200), is_loopback_host(host)) == (url, loopback)

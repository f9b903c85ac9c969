"""The addresses of sources, and the proxies and certificates of the environment: used, or one line.

Cases are new (a traceback before) unless their id or comment says guard.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from common.clock import SystemClock
from common.errors import ConfigError
from connectors.cs2cap.client import Cs2capClient
from connectors.http.auth import Key
from connectors.http.environment import check_base_url, environment_proxy

API = "https://api.example.com"
PROXY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        for spelling in (name, name.upper(), name.lower()):
            monkeypatch.delenv(spelling, raising=False)


def client(url: str = API) -> Cs2capClient:
    """Return a client of a source."""
    return Cs2capClient("cs2cap", url, Key("cs2c_live_sandbox_valid_00000001"), SystemClock())


@pytest.mark.parametrize(
    "url",
    [
        "https://[", "https://api.example.com:99999", "https://api.example.com:abc", "https://api.example.com:0",
        "https://api .example.com", "https://a..example.com", "https://[::1", "https://api.example.com\n/x",
        "https://" + "a" * 70 + ".com", "https://", "", "api.example.com", "ftp://x", "https://@api.example.com",
        "https://api.example.com?x=1", "http://api.example.com", "http://127.0.0.1.evil.com",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_one_line(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^cs2cap: base_url must "):
        client(url)


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("HTTPS://API.EXAMPLE.COM", "https://api.example.com"),
        (" https://api.example.com/ ", "https://api.example.com"),
        ("https://api.example.com:8443/Base/", "https://api.example.com:8443/Base"),
        ("http://LOCALHOST:8765", "http://localhost:8765"),
        ("http://[::1]:8765", "http://[::1]:8765"),
        ("https://bücher.example", "https://bücher.example"),
    ],
)
def test_an_address_has_one_plain_form(url: str, plain: str) -> None:
    assert check_base_url(url, "cs2cap") == plain
    client(url)


@pytest.mark.parametrize(
    ("entries", "host", "passed_by"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3/8", "10.9.9.9", True),  # host bits are set
        ("[::1]", "[::1]", True),
        ("::1", "[::1]", True),
        ("fe80::/10", "[fe80::5]", True),
        ("fe80::/10", "api.example.com", False),
        ("::ffff:1.2.3.4/96", "api.example.com", False),
        ("[", "api.example.com", False),
        ("é", "api.example.com", False),
        ("a b", "api.example.com", False),
        ("http://x", "api.example.com", False),
        ("api.example.com:99999", "other.example.com", False),
        ("example.com", "api.example.com", True),  # guard
        (".example.com", "api.example.com", True),  # guard
        ("*", "api.example.com", True),  # guard
        (" , ,api.example.com", "api.example.com", True),  # guard
        ("", "api.example.com", False),  # guard
    ],
)
def test_no_proxy_has_hosts_domains_addresses_and_networks(
    monkeypatch: pytest.MonkeyPatch, entries: str, host: str, *, passed_by: bool
) -> None:
    monkeypatch.setenv("https_proxy", PROXY)
    monkeypatch.setenv("no_proxy", entries)
    assert environment_proxy(f"https://{host}", "cs2cap") == (None if passed_by else PROXY)
    client(f"https://{host}")


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("socks5://127.0.0.1:9", r"SOCKS needs `pip install httpx\[socks\]`"),
        ("socks5h://user:hunter2@127.0.0.1:9", "SOCKS needs"),
        ("socks4://127.0.0.1:9", "its scheme socks4 is not http, https or socks5"),
        ("ftp://user:hunter2@x", "its scheme ftp"),
        ("http://[", "give http://HOST:PORT"),
        ("http://", "give http://HOST:PORT"),
        ("http://user:hunter2@127.0.0.1:99999", "give http://HOST:PORT"),
        ("http://127.0.0.1:abc", "give http://HOST:PORT"),
        ("http://\x01x:9", "give http://HOST:PORT"),
        ("http://us er@127.0.0.1:9", "give http://HOST:PORT"),
        ("http://a..b:9", "give http://HOST:PORT"),
    ],
)
@pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY"])
def test_a_proxy_that_cannot_be_used_is_one_line_without_its_password(
    monkeypatch: pytest.MonkeyPatch, name: str, proxy: str, reason: str
) -> None:
    monkeypatch.setenv(name, proxy)
    with pytest.raises(ConfigError, match=reason) as caught:
        client()
    assert "hunter2" not in str(caught.value)
    client("http://127.0.0.1:8765")  # guard: plain http knows no proxy


@pytest.mark.parametrize("proxy", ["127.0.0.1:9", "http://user:p%40ss@127.0.0.1:9", " http://127.0.0.1:9 "])
def test_a_usual_proxy_is_used(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:  # guard, but for blanks
    monkeypatch.setenv("https_proxy", proxy)
    assert str(environment_proxy(API, "cs2cap")).endswith("127.0.0.1:9")
    client()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("SSL_CERT_FILE", None, "No such file or directory"),
        ("SSL_CERT_FILE", "garbage", "it holds no certificate"),
        ("SSL_CERT_FILE", "", "it holds no certificate"),
        ("SSL_CERT_FILE", "folder", "Is a directory"),
        ("SSL_CERT_DIR", None, "SSL_CERT_DIR names no folder"),
        ("SSL_CERT_DIR", "garbage", "SSL_CERT_DIR names no folder"),
    ],
)
def test_certificates_that_cannot_be_used_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, content: str | None, reason: str
) -> None:
    path = tmp_path / "certificates"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    monkeypatch.setenv(name, str(path))
    with pytest.raises(ConfigError, match=reason):
        client()
    client("http://127.0.0.1:8765")  # guard: plain http needs none


def test_empty_variables_are_unset(monkeypatch: pytest.MonkeyPatch) -> None:  # guard
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "https_proxy", "no_proxy"):
        monkeypatch.setenv(name, "")
    client()


@pytest.mark.parametrize("host", ["xn--.example", "xn--a.example", "api.xn--\u00e9.example"])
def test_host_that_is_no_name_is_one_line(host: str) -> None:
    with pytest.raises(ConfigError, match=r"^cs2cap: base_url must be an http or https address"):
        client(f"https://{host}")

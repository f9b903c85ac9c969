"""The configuration of docs/how-to-proxy.md: nginx before the dashboard, with a password, on loopback."""

from __future__ import annotations

import getpass
import html
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.support import patient
from tests.support.dashboards import run_dashboard
from tests.support.up import free_port
from tests.support.waiting import wait_until
from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe

NGINX = Path("/usr/sbin/nginx")  # of Debian; not in the PATH of every user
pytestmark = [
    pytest.mark.slow,
    pytest.mark.server,
    pytest.mark.skipif(not NGINX.exists() or not shutil.which("openssl"), reason="nginx is not installed"),
]
GUIDE = (Path(__file__).parents[2] / "docs" / "how-to-proxy.md").read_text("utf-8")
NAME = "market.example.org"
ITEM = "★ Karambit | Doppler (Factory New)"
PASSWORD = "planted-5b1f"
# What Debian's nginx.conf has around the files of conf.d, as far as it changes answers.
FRAME = """
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    gzip on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    {server}
}}
"""


def configure(folder: Path, port: int, dashboard: str) -> Path:
    """Write the configuration of the guide with other ports and places; return its path."""
    (server,) = re.findall(r"^```nginx\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    places = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "http://127.0.0.1:8710/": dashboard,
        "/etc/nginx/floorline.users": str(folder / "users"),
        "/etc/ssl/certs/market.example.org.pem": str(folder / "certificate.pem"),
        "/etc/ssl/private/market.example.org.key": str(folder / "certificate.key"),
    }
    for written, place in places.items():
        assert server.count(written) == 1, written
        server = server.replace(written, place)
    path = folder / "nginx.conf"
    path.write_text(FRAME.format(folder=folder, server=server, user=getpass.getuser()), "utf-8")
    return path


def create_secrets(folder: Path) -> None:
    """Create a certificate for this machine, and the file of users as the guide does."""
    names = f"subjectAltName=DNS:{NAME},IP:127.0.0.1"
    openssl(
        *("req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-subj", f"/CN={NAME}", "-addext", names, "-days", "2"),
        *("-keyout", str(folder / "certificate.key"), "-out", str(folder / "certificate.pem")),
    )
    (folder / "users").write_text(f"analyst:{openssl('passwd', '-6', PASSWORD)}")


def openssl(*arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout


@contextmanager
def run_nginx(configuration: Path, port: int) -> Iterator[None]:
    """Run nginx until its port is open, and end it with its workers."""
    command = [str(NGINX), "-c", str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: process.poll() is not None or answers(port))
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            yield
        finally:
            process.terminate()


def answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/")
    except httpx.ConnectError:
        return False
    return True


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ssl.SSLContext]]:
    """Return the address of the dashboard behind nginx, and what trusts its certificate."""
    folder = tmp_path_factory.mktemp("proxy")
    paths = create_warehouse(folder / "data")
    (paths.root / "floorline.toml").write_text(f'[warehouse]\npath = "{paths.root}"\n', "utf-8")
    land_and_load(paths, "r1", observe(minute(0), Quote("1", 90_000, 1, name=ITEM, phase="Ruby")))
    create_secrets(folder)
    port, options = free_port(), re.findall(r"floorline dashboard --no-open (.*)", GUIDE)[0].split()
    with (
        run_dashboard(paths.root / "floorline.toml", *options) as (dashboard, _),
        run_nginx(configure(folder, port, dashboard), port),
    ):
        trusted = ssl.create_default_context(cafile=folder / "certificate.pem")
        yield f"https://127.0.0.1:{port}", trusted


@contextmanager
def browse(
    address: tuple[str, ssl.SSLContext], *, password: str = PASSWORD, host: str = NAME
) -> Iterator[httpx.Client]:
    url, trusted = address
    headers = {"Host": host}
    with patient.Client(base_url=url, verify=trusted, auth=("analyst", password), headers=headers) as client:
        yield client


def test_password_is_asked_for(address: tuple[str, ssl.SSLContext]) -> None:
    url, trusted = address
    refused = httpx.get(f"{url}/market/", verify=trusted, headers={"Host": NAME})
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="Floorline"')
    with browse(address, password="wrong") as client:
        assert client.get("/market/").status_code == 401
        assert client.get("/market/static/floorline.css").status_code == 401


def test_pages_tables_and_static_files_work(address: tuple[str, ssl.SSLContext]) -> None:
    with browse(address) as client:
        page = client.get("/market/")
        links = set(re.findall(r'(?:href|src|action)="(/[^"#]*)', page.text))
        assert page.status_code == 200
        assert {link.split("/")[1] for link in links} == {"market"}
        for link in links:
            assert client.get(html.unescape(link)).status_code == 200, link
        item = client.get(f"/market/item/{quote(f'{ITEM} @ Ruby')}")
        assert (item.status_code, "900.00" in item.text) == (200, True)
        table = client.get("/market/items.csv", params={"q": "karambit"})
        assert table.headers["Content-Type"].startswith("text/csv")
        assert ITEM in table.text


def test_page_that_the_browser_has_is_not_sent_again(address: tuple[str, ssl.SSLContext]) -> None:
    """The ETag is weak where nginx compressed the page."""
    with browse(address) as client:
        tags = [
            client.get("/market/", headers={"Accept-Encoding": encoding}).headers["ETag"]
            for encoding in ("identity", "gzip")
        ]
        assert [tag.startswith("W/") for tag in tags] == [False, True]
        for tag in tags:
            assert client.get("/market/", headers={"If-None-Match": tag}).status_code == 304


def test_other_names_and_methods_are_refused(address: tuple[str, ssl.SSLContext]) -> None:
    with browse(address, host="attacker.example") as client:
        assert client.get("/market/").status_code == 400
    with browse(address) as client:
        assert client.post("/market/").status_code == 403

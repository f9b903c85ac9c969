"""A sandbox in another process, and its options."""

import gzip
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config import parse_settings
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import TIERS, VALID_KEY
from sandbox.cs2cap.rate_windows import WINDOWS
from sandbox.market.providers import KEYS
from sandbox.options import HISTORIES, Options
from sandbox.server import spawn
from sandbox.skinshark.listing import SHAPES
from sandbox.skinshark.merchant import TOKENS
from sandbox.welcome import describe_sandbox
from tests.support import patient
from tests.support.snapshots import main_with

TABLES = re.compile(r"^    \[sources.*?(?=^\S)", re.MULTILINE | re.DOTALL)
EXPORT = re.compile(r"^    export (\w+)=(\S+)$", re.MULTILINE)
SHARE = st.floats(min_value=0, max_value=1)
OPTIONS = st.builds(
    Options,
    items=st.integers(1, 35_000),
    seed=st.integers(0, 999),
    quotes=st.none() | st.integers(1, 600_000),
    tier=st.sampled_from(sorted(TIERS)),
    merchant=st.sampled_from(sorted(TOKENS)),
    phases=st.sampled_from(SHAPES),
    limits=st.booleans(),
    windows=st.sampled_from(WINDOWS),
    refresh=st.floats(min_value=0, max_value=900),
    moving=SHARE,
    moving_fx=st.booleans(),
    market=st.none() | st.just(Path("prices.parquet")),
    history=st.sampled_from(HISTORIES),
    history_every=st.floats(min_value=300, max_value=86_400),
    feed_ping=st.floats(min_value=0, max_value=60),
    frozen=st.none() | st.datetimes(min_value=datetime(2020, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    render_ahead=st.booleans(),
    port=st.integers(0, 65_535),
)


@given(OPTIONS)
def test_options_survive_the_command_line(options: Options) -> None:
    assert Options.parse(options.argv()) == options


def test_spawned_sandbox_serves_until_the_block_ends() -> None:
    with spawn(Options(items=30, limits=False, render_ahead=True)) as url:
        headers = {"Authorization": f"Bearer {VALID_KEY}"}
        assert patient.get(f"{url}/v1/prices", headers=headers).json()["items"]
        assert patient.get(f"{url}/_sandbox/state").json()["items"] == 30
    with pytest.raises(httpx.ConnectError):
        patient.get(f"{url}/v1/prices")


def test_sandbox_says_what_it_is_and_what_to_configure(sandbox: Sandbox) -> None:
    response = patient.get(sandbox.url)
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text.startswith("This is a sandbox of Floorline")
    assert f"floorline init --sandbox --base-url {sandbox.url}\n" in response.text
    settings = parse_settings(tomllib.loads(textwrap.dedent(TABLES.findall(response.text)[0])), Path())
    assert [source.base_url for source in settings.sources.values()] == [sandbox.url] * 2
    exported = dict(EXPORT.findall(response.text))
    assert {f"env:{name}" for name in exported} == {source.key for source in settings.sources.values()}
    headers = {"Authorization": f"Bearer {exported['CS2C_API_KEY']}"}
    assert patient.get(f"{sandbox.url}/v1/prices", headers=headers).status_code == 200
    headers = {"api-key": exported["SKINSHARK_API_KEY"]}
    assert patient.get(f"{sandbox.url}/merchant", headers=headers).status_code == 200


def test_command_prints_its_address_and_what_to_configure() -> None:
    command = [sys.executable, "-P", "-m", "sandbox", "--items", "30"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        _, _, url, *_ = process.stdout.readline().split()
        text = describe_sandbox(url)
        assert [process.stdout.readline() for _ in range(text.count("\n") + 1)] == [
            "\n",
            *text.splitlines(keepends=True),
        ]
        process.terminate()


def test_port_in_use_is_one_line(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    output = main_with("sandbox", "--port", port)
    assert output.code == 2
    assert f"the sandbox cannot use port {port}: another program uses it; choose another" in output.err


def test_spawn_reports_a_sandbox_that_does_not_start(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="did not start"), spawn(Options(items=10**6)):
        pass
    assert capfd.readouterr().err.startswith("sandbox: a catalog has 1 to ")


def test_sandbox_imports_no_other_package() -> None:
    others = {"common", "connectors", "floorline", "flows", "pipelines", "warehouse"}
    script = f"import sys, sandbox.server; print({others} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.slow
def test_whole_catalog_rendered_in_advance_is_served_complete() -> None:
    options = Options(items=35_000, quotes=600_000, limits=False, render_ahead=True, refresh=86_400)
    headers = {"Authorization": f"Bearer {VALID_KEY}"}
    with spawn(options) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        pages = [page for key in KEYS for page in read_pages(client, key)]
        state = client.get("/_sandbox/state").json()
    rows = sum(page.count(b'{"provider":') for page in pages)
    assert rows == state["quotes"] == 600_000
    assert state["pages_rendered"] == len(pages)


@pytest.mark.slow
def test_whole_snapshot_is_streamed_completely_before_and_after_moves() -> None:
    options = Options(items=35_000, quotes=604_373, limits=False, refresh=86_400)
    headers = {"Authorization": f"Bearer {VALID_KEY}", "Accept-Encoding": "gzip"}
    with spawn(options) as url, httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        for _ in range(2):
            rendered = client.post("/_sandbox/render").json()
            with client.stream("POST", "/v1/prices") as response:
                body = b"".join(response.iter_raw())
            text = gzip.decompress(body)
            assert (
                text.count(b"\n") == int(response.headers["X-Snapshot-Total"]) == rendered["rows"] == 604_373
            )
            assert len(body) == rendered["bytes"]
            client.post("/_sandbox/market/move", json={"quotes": 45_328})
            client.post("/_sandbox/market/refresh")


def read_pages(client: httpx.Client, provider: str) -> Iterator[bytes]:
    for offset in range(0, 10**6, 1000):
        query: dict[str, str | int] = {"providers": provider, "limit": 1000, "offset": offset}
        yield (page := client.get("/v1/prices", params=query).content)
        if b'"has_next":false' in page[-100:]:
            return

"""A wrong configuration ends a command with one clear line and exit code 2, before any price request."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Sandbox
from tests.support.snapshots import REDLINE, Bench, CommandOutput, basket, main_with, price_requests


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FLOORLINE_CONFIG", raising=False)
    monkeypatch.delenv("CS2C_API_KEY", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))


def error_line(output: CommandOutput, box: Sandbox) -> str:
    """Return the one line of a command that ended with code 2 and sent no price request."""
    assert output.code == 2, output
    assert price_requests(box) == []
    (line,) = output.err.splitlines()
    assert line.startswith("floorline: ")
    return line


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"providers": ["steem"]}, "no provider is called 'steem'; did you mean 'steam'?"),
        ({"providers": ["steam", "BUFF"]}, "did you mean 'buff163'?"),
        ({"currencies": ["EURO"]}, "currencies, entry 1, is no currency code; did you mean EUR?"),
        ({"currencies": ["USD", "usdd"]}, "no currency is called 'USDD'"),
        ({"items": ["AK-47 | Redlin (Field-Tested)"]}, f"did you mean '{REDLINE}'?"),
        ({"items": [REDLINE, 999_999]}, "no item has the id 999999"),
        ({"items": ["AWP | Nope *"]}, "the glob 'AWP | Nope *' matches no item"),
        ({"items": ["★ Karambit | Doppler (Factory New) @ Rubi"]}, "this item has Phase 1, Phase 2"),
        ({"items": [REDLINE, "all"]}, '"all" must be the only entry'),
        ({"items": ["file:none.txt"]}, "none.txt cannot be read"),
        ({"items": ["file:empty.txt"]}, "no items are configured"),
    ],
)
def test_unknown_name_in_a_basket_is_reported(
    tmp_path: Path, sandbox: Sandbox, fields: dict[str, Any], expected: str
) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    bench = Bench.at(tmp_path, sandbox, basket(**fields))
    message = error_line(main_with("snapshot", "--no-prefect", "--config", str(bench.config)), sandbox)
    assert expected in message
    assert "basket core: " in message


def test_one_wrong_basket_stops_all_baskets(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(), basket("bad", providers=["steem"]))
    assert "basket bad" in error_line(
        main_with("snapshot", "--no-prefect", "--config", str(bench.config)), sandbox
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://127.0.0.1", "base_url must be an http or https address"),
        ("127.0.0.1:8765", "base_url must be an http or https address"),
        ("http://api.example.com", "base_url must be https"),
        ("https://user:hunter2@api.example.com", "base_url must not hold a user"),
    ],
)
def test_base_url_that_no_key_may_be_sent_to_is_reported(
    tmp_path: Path, sandbox: Sandbox, url: str, expected: str
) -> None:
    bench = Bench.create(tmp_path, {"cs2cap": url}, basket())
    message = error_line(main_with("snapshot", "--no-prefect", "--config", str(bench.config)), sandbox)
    assert expected in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("env:CS2C_API_KEY", "the environment variable CS2C_API_KEY is not set"),
        ("file:none.key", "none.key cannot be read: No such file"),
        ("file:open.key", "open.key is open to others: chmod 600 it"),
    ],
)
def test_missing_key_is_reported_with_its_place(
    tmp_path: Path, sandbox: Sandbox, key: str, expected: str
) -> None:
    (tmp_path / "open.key").write_text("cs2c_live_secret")
    (tmp_path / "open.key").chmod(0o644)
    bench = Bench.at(tmp_path, sandbox, basket(), basket("other"), source={"key": key})
    message = error_line(main_with("snapshot", "--no-prefect", "--config", str(bench.config)), sandbox)
    assert expected in message
    assert "secret" not in message
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ("[warehouse]", "[warehouse"),
            "line 1 has a table without its closing bracket",
        ),
        (("providers", "provider"), "basket core: provider is no key of a basket; did you mean providers?"),
        (
            ('source = "cs2cap"', 'source = "cs2"'),
            "basket core: source names no source: the configuration has cs2cap",
        ),
    ],
)
def test_wrong_configuration_file_is_reported(
    tmp_path: Path, sandbox: Sandbox, change: tuple[str, str], expected: str
) -> None:
    bench = Bench.at(tmp_path, sandbox, basket())
    bench.config.write_text(bench.config.read_text("utf-8").replace(*change), "utf-8")
    assert expected in error_line(
        main_with("snapshot", "--no-prefect", "--config", str(bench.config)), sandbox
    )


def test_unknown_basket_is_reported(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket())
    message = error_line(main_with("snapshot", "cor", "--no-prefect", "--config", str(bench.config)), sandbox)
    assert "no basket is called cor; the configuration has core" in message
    assert len(sandbox.requests) == 0


def test_warehouse_path_that_cannot_be_written_is_reported(tmp_path: Path, sandbox: Sandbox) -> None:
    (tmp_path / "file").write_text("")
    bench = Bench.at(tmp_path, sandbox, basket(), warehouse={"path": "file/data"})
    message = error_line(main_with("snapshot", "--no-prefect", "--config", str(bench.config)), sandbox)
    assert "cannot write to" in message
    assert "file/data" in message


def test_missing_configuration_is_reported(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is no configuration at floorline.toml" in error_line(main_with("snapshot"), sandbox)


@pytest.mark.parametrize("arguments", [["nope"], ["snapshot", "--nope"], ["alerts", "show", "x"], ["query"]])
def test_wrong_command_line_is_one_line_that_names_the_help(arguments: list[str]) -> None:
    output = main_with(*arguments)
    assert (output.code, output.out) == (2, "")
    assert re.fullmatch(r"floorline: .*; see `floorline.* -h`\n", output.err)

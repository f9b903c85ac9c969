"""What is wrong with the configuration: one clear line and exit code 2, before a price is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Sandbox
from tests.support.snapshots import REDLINE, Bench, Said, basket, main_with, priced


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FLOORLINE_CONFIG", raising=False)
    monkeypatch.delenv("CS2C_API_KEY", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))


def told(said: Said, box: Sandbox) -> str:
    """The one line that a command ended with."""
    assert said.code == 2, said
    assert priced(box) == []
    (line,) = said.err.splitlines()
    assert line.startswith("floorline: ")
    return line


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"providers": ["steem"]}, "no provider is called 'steem'; did you mean 'steam'?"),
        ({"providers": ["steam", "BUFF163"]}, "did you mean 'buff163'?"),
        ({"currencies": ["EURO"]}, "no currency is called 'EURO'; did you mean 'EUR'?"),
        ({"currencies": ["USD", "usdd"]}, "no currency is called 'USDD'"),
        ({"items": ["AK-47 | Redlin (Field-Tested)"]}, f"did you mean '{REDLINE}'?"),
        ({"items": [REDLINE, 999_999]}, "no item has the id 999999"),
        ({"items": ["AWP | Nope *"]}, "the glob 'AWP | Nope *' matches no item"),
        ({"items": ["★ Karambit | Doppler (Factory New) @ Rubi"]}, "this item has Phase 1, Phase 2"),
        ({"items": [REDLINE, "all"]}, '"all" must stand alone'),
        ({"items": ["file:none.txt"]}, "none.txt cannot be read"),
        ({"items": ["file:empty.txt"]}, "no items are configured"),
    ],
)
def test_a_basket_that_asks_for_what_is_not_there(
    tmp_path: Path, sandbox: Sandbox, fields: dict[str, Any], line: str
) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    bench = Bench.at(tmp_path, sandbox, basket(**fields))
    said = told(main_with("snapshot", "--no-prefect", "--config", str(bench.config)), sandbox)
    assert line in said
    assert "basket core: " in said


def test_one_bad_basket_holds_back_all(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(), basket("bad", providers=["steem"]))
    assert "basket bad" in told(main_with("snapshot", "--no-prefect", "--config", str(bench.config)), sandbox)


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("ftp://127.0.0.1", "base_url must be an http or https address"),
        ("127.0.0.1:8765", "base_url must be an http or https address"),
        ("http://api.example.com", "base_url must be https"),
        ("https://user:hunter2@api.example.com", "base_url must not hold a user"),
    ],
)
def test_a_base_url_that_no_key_may_go_to(tmp_path: Path, sandbox: Sandbox, url: str, line: str) -> None:
    bench = Bench.written(tmp_path, {"cs2cap": url}, basket())
    said = told(main_with("snapshot", "--no-prefect", "--config", str(bench.config)), sandbox)
    assert line in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("env:CS2C_API_KEY", "the environment variable CS2C_API_KEY is not set"),
        ("file:none.key", "none.key cannot be read: No such file"),
        ("file:open.key", "open.key is open to others: chmod 600 it"),
    ],
)
def test_no_key_says_where_it_is_looked_for(tmp_path: Path, sandbox: Sandbox, key: str, line: str) -> None:
    (tmp_path / "open.key").write_text("cs2c_live_secret")
    (tmp_path / "open.key").chmod(0o644)
    bench = Bench.at(tmp_path, sandbox, basket(), basket("other"), source={"key": key})
    said = told(main_with("snapshot", "--no-prefect", "--config", str(bench.config)), sandbox)
    assert line in said
    assert "secret" not in said
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            ("[warehouse]", "[warehouse"),
            "is not TOML: Expected ']' at the end of a table declaration (at line 1",
        ),
        (("providers", "provider"), "baskets.0.provider: Extra inputs are not permitted"),
        (('source = "cs2cap"', 'source = "cs2"'), "basket core names the source cs2; there is cs2cap"),
    ],
)
def test_a_configuration_that_is_none(
    tmp_path: Path, sandbox: Sandbox, change: tuple[str, str], line: str
) -> None:
    bench = Bench.at(tmp_path, sandbox, basket())
    bench.config.write_text(bench.config.read_text("utf-8").replace(*change), "utf-8")
    assert line in told(main_with("snapshot", "--no-prefect", "--config", str(bench.config)), sandbox)


def test_an_unknown_basket(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket())
    said = told(main_with("snapshot", "cor", "--no-prefect", "--config", str(bench.config)), sandbox)
    assert "no basket is called cor; the configuration has core" in said
    assert len(sandbox.requests) == 0


def test_a_path_that_cannot_be_written(tmp_path: Path, sandbox: Sandbox) -> None:
    (tmp_path / "file").write_text("")
    bench = Bench.at(tmp_path, sandbox, basket(), warehouse={"path": "file/data"})
    said = told(main_with("snapshot", "--no-prefect", "--config", str(bench.config)), sandbox)
    assert "cannot write to" in said
    assert "file/data" in said


def test_no_configuration_at_all(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is no configuration at floorline.toml" in told(main_with("snapshot"), sandbox)


@pytest.mark.parametrize("arguments", [["nope"], ["snapshot", "--nope"], ["alerts", "show", "x"], ["query"]])
def test_a_command_that_is_none(arguments: list[str]) -> None:
    said = main_with(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "Usage: floorline" in said.err

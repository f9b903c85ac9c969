"""The command line: help of every command, and no heavy library before a command needs it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
import typer

from floorline.cli.app import app
from tests.support.command_tree import walk_commands
from tests.support.snapshots import FLOORLINE, clean_env, main_with

HEAVY = (
    *("apprise", "asyncio", "duckdb", "httpx", "msgspec", "polars", "prefect", "pyarrow"),
    *("rich.progress", "sqlite3", "starlette", "tenacity", "yaml"),
    *("connectors", "flows", "pipelines", "sandbox", "warehouse"),
)


ALL = dict(walk_commands(typer.main.get_command(app)))


def test_names_of_the_commands() -> None:
    assert {name for name, command in ALL.items() if not hasattr(command, "commands")} == {
        "snapshot", "plan", "status", "doctor", "query", "export", "backup", "restore", "sandbox", "demo",
        "up", "ui", "prefect", "deployments", "schema", "gaps",
        "backfill list", "backfill show", "backfill cancel",
        "alerts list", "alerts show", "alerts clear", "alerts accept",
        "alerts test", "alerts check", "alerts apply",
        "rejects list", "rejects replay",
        "maintain load", "maintain rebuild", "maintain retry", "key status", "key rotate",
        "items search", "providers", "config check", "config show", "config schema",
    }  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_every_command_and_option_has_help(name: str) -> None:
    command = ALL[name]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name}: {parameter.name}"


@pytest.mark.parametrize(
    "name",
    [
        *("snapshot", "plan", "backfill", "backfill list", "status", "doctor", "query", "alerts list"),
        *("rejects list", "maintain load"),
    ],
)
def test_config_and_json_come_after_the_subcommand(name: str) -> None:
    output = main_with(*name.split(), "--help")
    assert output.code == 0
    assert "--config" in output.out
    assert "--json" in output.out


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys, json\nsys.argv = ['floorline', 'snapshot', '--help']\n"
        "from floorline.cli.app import main\n"
        "try:\n    main()\nfinally:\n"
        f"    sys.stderr.write(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean_env()
    )
    assert json.loads(done.stderr) == []
    assert "Take a market snapshot" in done.stdout


def test_installed_command_prints_the_help() -> None:
    done = subprocess.run([FLOORLINE, "--help"], capture_output=True, text=True, check=True, env=clean_env())
    assert "snapshot" in done.stdout


def test_short_option_prints_the_help() -> None:
    assert main_with("-h").out == main_with("--help").out
    assert main_with("alerts", "list", "-h").out == main_with("alerts", "list", "--help").out


def test_version_is_that_of_the_package() -> None:
    assert main_with("--version").out == f"floorline {version('floorline')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "_FLOORLINE_COMPLETE" in main_with("--show-completion", shell).out
    monkeypatch.setenv("_FLOORLINE_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("COMP_WORDS", "floorline sn")
    monkeypatch.setenv("COMP_CWORD", "1")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "floorline sn")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    assert "snapshot" in main_with().out

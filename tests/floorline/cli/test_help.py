"""The command line: help of every command, and no heavy library before a command needs it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from floorline.cli.app import build_command
from sandbox.core import Sandbox
from tests.support.command_tree import walk_commands
from tests.support.snapshots import FLOORLINE, Bench, basket, clean_env, main_with, toml

HEAVY = (
    *("apprise", "asyncio", "duckdb", "httpx", "msgspec", "polars", "prefect", "pyarrow"),
    *("rich.progress", "sqlite3", "starlette", "tenacity", "yaml"),
    *("connectors", "flows", "pipelines", "sandbox", "warehouse"),
)


ALL = dict(walk_commands(build_command()))
LEAVES = [name for name, command in ALL.items() if not hasattr(command, "commands")]


def test_names_of_the_commands() -> None:
    assert set(LEAVES) == {
        "snapshot", "plan", "status", "doctor", "query", "export", "backup", "restore", "sandbox", "demo",
        "dashboard", "price", "report", "up", "ui", "prefect", "deployments", "schema", "gaps", "metrics",
        "migrate", "live",
        "backfill list", "backfill show", "backfill cancel",
        "alerts list", "alerts show", "alerts clear", "alerts accept",
        "alerts test", "alerts check", "alerts apply",
        "watches list", "watches check", "rejects list", "rejects replay",
        "maintain load", "maintain rebuild", "maintain retry", "maintain seal", "maintain verify",
        "maintain sizes", "key status", "key rotate",
        "items search", "providers", "init", "config check", "config show", "config schema",
    }  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_every_command_and_option_has_help(name: str) -> None:
    command = ALL[name]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", ALL)
def test_help_is_whole_at_80_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    output = main_with(*name.split(), "-h")
    assert (output.code, output.err) == (0, "")
    lines = output.out.splitlines()
    assert max(map(len, lines)) < 80
    shown = [line for line in lines if not line.startswith("Usage:")]
    assert "..." not in "".join(shown)
    assert not [line for line in shown if re.match(r"  -.*(list\[|range>)", line)]
    for child, command in getattr(ALL[name], "commands", {}).items():
        (line,) = [line for line in shown if re.match(rf"  {child}  ", line)]
        sentence = command.help.split("\n")[0]
        assert line.endswith(f" {sentence}"), "its help begins with a short sentence, which is shown whole"


def test_commands_are_in_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    titles = [line for line in main_with("-h").out.splitlines() if re.fullmatch(r"\S.*:", line)]
    assert titles == ["Options:", "Start and configure:", "Collect prices:", "Use the record:", "Operate:"]


@pytest.mark.parametrize("name", [*LEAVES, "backfill"])
def test_help_ends_with_an_example_that_can_be_parsed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    heading, program, *arguments = shlex.split(main_with(*name.split(), "-h").out.splitlines()[-1])
    assert (heading, program) == ("Example:", "floorline")
    path = name.split()
    assert arguments[: len(path)] == path
    ALL[name].make_context(name, arguments[len(path) :])


def test_configuration_may_stand_before_or_after_the_command(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path / "one", sandbox, basket("one"))
    other = Bench.at(tmp_path / "two", sandbox, basket("two"))
    after = main_with("status", "--config", str(bench.config))
    assert main_with("--config", str(bench.config), "status") == after
    assert "one" in after.out
    both = main_with("--config", str(other.config), "status", "--config", str(bench.config))
    assert both == after, "the one after the command counts"
    for place in (("--config", str(bench.config), "backfill", "list"), ("backfill", "list")):
        where = place if place[0] == "--config" else ("backfill", "--config", str(bench.config), "list")
        assert main_with(*where).out == "there is no backfill\n"


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys, json\nsys.argv = ['floorline', 'snapshot', '--help']\n"
        "from floorline.__main__ import main\n"
        "try:\n    main()\nfinally:\n"
        f"    sys.stderr.write(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean_env()
    )
    assert json.loads(done.stderr) == []
    assert "Take a snapshot of the market" in done.stdout


def test_installed_command_prints_the_help() -> None:
    done = subprocess.run([FLOORLINE, "--help"], capture_output=True, text=True, check=True, env=clean_env())
    assert "snapshot" in done.stdout


def test_short_option_prints_the_help() -> None:
    assert main_with("-h").out == main_with("--help").out
    assert main_with("alerts", "list", "-h").out == main_with("alerts", "list", "--help").out


def test_version_is_that_of_the_package() -> None:
    assert main_with("--version").out == f"floorline {version('floorline')}\n"


@pytest.fixture
def shell_option(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let `--show-completion` take a shell: Typer decides that where it builds the commands."""
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    build_command.cache_clear()
    yield
    build_command.cache_clear()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(shell: str, shell_option: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "_FLOORLINE_COMPLETE" in main_with("--show-completion", shell).out
    monkeypatch.setenv("_FLOORLINE_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("COMP_WORDS", "floorline sn")
    monkeypatch.setenv("COMP_CWORD", "1")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "floorline sn")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    assert "snapshot" in main_with().out


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("floorline snapshot c", ["core"]),
        ("floorline --config floorline.toml gaps --basket ", ["core", "daily"]),
        ("floorline key rotate cs", ["cs2cap"]),
        ("floorline providers --config floorline.toml --source ", ["cs2cap"]),
        ("floorline snapshot --config none.toml ", []),
    ],
)
def test_shells_complete_names_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, expected: list[str]
) -> None:
    (tmp_path / "floorline.toml").write_text(toml({"sources.cs2cap": {}}, [basket(), basket("daily")]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_FLOORLINE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    assert main_with().out.split() == expected

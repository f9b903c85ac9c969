"""Every command with wrong input for every option and argument, from the tree of the commands itself.

A command ends with a right answer, or with a documented exit code and one line that is Floorline's own. What
the case changes is one value in the example of the command's help.
"""

from __future__ import annotations

import io
import re
import shlex
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from floorline.cli.app import build_command
from sandbox.options import Options
from sandbox.server import serve
from tests.support.command_tree import walk_commands
from tests.support.json_outputs import read_envelope
from tests.support.snapshots import Bench, CommandOutput, basket, main_with

COMMANDS = {
    name: command
    for name, command in walk_commands(build_command())
    if command.epilog and command.epilog.startswith("Example:")
}
EXIT_CODES = range(8)
QUICK = ("", "\0", "9" * 30, "\udcff ★")
NUMBERS = ("-1", "0", "1", "-" + "9" * 400, "1e999", "nan", "0x10", "١٢")
DATES = (
    *("0001-01-01", "1969-12-31", "9999-12-31T23:59:59", "10000-01-01", "2024-02-29", "2023-02-29"),
    *("2026-03-29T02:30:00", "2026-10-25T02:30:00", "2026-01-01T00:00:00+14:00", "0001-01-01T00:00:00-12:00"),
    *("1h", "yesterday"),
)
PATHS = (
    *(".", "..", "/", "/nowhere/x/y", "/dev/null/x", "/proc/self/x", "/dev/full", "~x", "~nobody_here/x"),
    *("x" * 300, "x/" * 3000, "file:", "file:/nowhere", "file:/dev/full", "env:", "-h1"),
)
TEXTS = (
    " ",
    "★ é",
    "\x1b[31m",
    "%s",
    "[]",
    "{",
    "'; DROP TABLE x",
    '"',
    "--",
    "-",
    "*",
    "all",
    "x,y,,",
    "\n",
)
SLOW = (*NUMBERS, *DATES, *PATHS, *TEXTS)
# A server or a whole demo would run where the value is right.
REFUSED_PATHS = ("\0", ".", "/", "/dev/full", "/dev/null/x", "/proc/self/x", "x" * 300, "x/" * 3000)
# Sentences and names of the libraries beneath.
FOREIGN = re.compile(
    r"Traceback|a bug of Floorline|Input should|validation error|Errno|os error|Invalid value|embedded"
    r"|codec can't|pydantic|sqlite3|[a-z]Error\b|Exception\b"
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A warehouse with one snapshot, whose API answers."""
    with serve(Options(items=30, frozen=datetime.now(UTC), limits=False)) as box:
        folder = tmp_path_factory.mktemp("project")
        bench = Bench.at(folder, box, basket(every="1h"), basket("other", items=[5], every="1h"))
        bench.snapshot()
        yield bench


@pytest.fixture
def held_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def values_of(name: str, parameter: Any, chosen: tuple[str, ...]) -> tuple[str, ...]:
    if name == "demo" and parameter.name == "path":
        return tuple(value for value in chosen if value in REFUSED_PATHS)
    if name in {"sandbox", "dashboard"} and parameter.name == "port":
        return tuple(value for value in chosen if value not in {"0", "1"})
    if parameter.name == "config" and name != "status":  # one place reads the configuration of all commands
        return tuple(value for value in chosen if value in QUICK)
    return chosen


def arguments_with(name: str, parameter: Any, value: str) -> list[str]:
    """Return the example's arguments with this value for the parameter."""
    example = shlex.split(COMMANDS[name].epilog)[2 + len(name.split()) :]
    if parameter.param_type_name == "option":
        return [*example, f"{max(parameter.opts, key=len)}={value}"]
    return [*(argument for argument in example if argument.startswith("-")), "--", value]


def command_line(bench: Bench, name: str, parameter: Any, value: str, port: int) -> list[str]:
    before = [] if parameter.name == "config" else ["--config", str(bench.config)]
    if name == "up":
        before = ["--config", str(bench.folder / "missing.toml")]
    own = {option for each in COMMANDS[name].params for option in each.opts}
    flags = ["--json"] if "--json" in own else []
    quick = {"port": f"--port={port}"} if name in {"sandbox", "dashboard"} else {}
    quick |= {"items": "--items=1"} if name == "sandbox" else {}
    flags += [flag for option, flag in quick.items() if option != parameter.name]
    return [*before, *name.split(), *flags, *arguments_with(name, parameter, value)]


def assert_told(output: CommandOutput, line: list[str], *, sql: bool) -> None:
    assert output.code in EXIT_CODES, (line, output)
    if "--json" in line:
        envelope = read_envelope(output.out)
        assert output.code == 0 or envelope["result"] is not None or output.err, (line, output)
    if sql and output.err.startswith("floorline: DuckDB says: "):  # the user's own SQL, which DuckDB explains
        return
    assert not FOREIGN.search(output.err), (line, output)
    if output.code == 2:
        assert re.fullmatch(r"floorline: [^\n]+\n", output.err), (line, output)


def try_values(bench: Bench, name: str, chosen: tuple[str, ...], port: int) -> int:
    """Run the command with each value for each parameter; return how many cases these are."""
    cases = [
        (parameter, value)
        for parameter in COMMANDS[name].params
        if not getattr(parameter, "is_flag", False) and parameter.name != "help"
        for value in values_of(name, parameter, chosen)
    ]
    for parameter, value in cases:
        line = command_line(bench, name, parameter, value, port)
        assert_told(main_with(*line), line, sql=parameter.name in {"sql", "columns"})
    return len(cases)


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_prefect: None) -> None:
    """Nobody answers questions, and relative paths are in a folder of their own."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").touch()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


def test_every_command_is_tried() -> None:
    runnable = [
        name
        for name, command in walk_commands(build_command())
        if name and (not hasattr(command, "commands") or command.invoke_without_command)
    ]
    assert list(COMMANDS) == runnable


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_value_is_told_in_one_line(bench: Bench, name: str, held_port: int) -> None:
    try_values(bench, name, QUICK, held_port)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_many_wrong_values(bench: Bench, name: str, held_port: int) -> None:
    try_values(bench, name, SLOW, held_port)


def test_option_that_does_not_exist(bench: Bench) -> None:
    for name in COMMANDS:
        output = main_with(*name.split(), "--no-such-option")
        assert output.code in {0, 2} if name == "prefect" else output.code == 2
        assert not FOREIGN.search(output.err)
        assert output.err.count("\n") == 1

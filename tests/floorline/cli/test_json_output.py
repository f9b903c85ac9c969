"""The envelope of `--json`: a schema for each command, names with units, and errors in the same form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from floorline.cli.app import build_command
from floorline.cli.outputs.registry import RESULTS, json_schema
from sandbox.core import Sandbox
from tests.support.command_tree import walk_commands
from tests.support.json_outputs import read_envelope, read_failure
from tests.support.snapshots import Bench, basket, main_with

COMMANDS = dict(walk_commands(build_command()))
# A number whose name says neither what it counts nor a unit is a trap for whoever reads the JSON.
COUNTS = (
    *("requests", "rows", "pages", "shards", "items", "runs", "quotes", "entries", "repeats", "exit_code"),
    *("alert_id", "number", "http_status", "quantity", "read", "fitting", "schema_version", "taken_over"),
    *(
        "files",
        "changes",
        "landings",
        "waiting",
        "open_alerts",
        "backfills",
        "process_id",
        "states",
        "ended",
        "deleted",
        "sealed_months",
    ),
)
UNITS = re.compile(
    r"_(seconds|bytes|days|days_left|per_(minute|month|day|run|row)|of_month|share)$|^days_left$|^seconds_"
)


def properties(schema: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every named property of a schema with its own schema."""
    if isinstance(schema, list):
        for part in schema:
            yield from properties(part, name)
    elif isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for key, part in schema.items():
            yield from properties(part, key)


def test_commands_with_json_are_those_with_a_schema() -> None:
    with_json = {
        name
        for name, command in COMMANDS.items()
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert with_json == set(RESULTS)


@pytest.mark.parametrize("command", RESULTS)
def test_names_are_in_snake_case_and_numbers_have_a_unit(command: str) -> None:
    for name, schema in properties(json_schema(command)):
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
        kinds = {part.get("type") for part in (schema, *schema.get("anyOf", ()))}
        if kinds & {"number", "integer"}:
            assert UNITS.search(name) or name.startswith(COUNTS) or name.endswith(COUNTS), name


@pytest.mark.parametrize("command", RESULTS)
def test_schema_command_prints_what_the_models_say(command: str) -> None:
    schema = json.loads(main_with("schema", *command.split()).out)
    assert schema == json_schema(command)
    assert schema["properties"]["command"] == {"const": command}
    assert schema["required"] == ["schema_version", "command", "result", "error"]
    assert all(described.get("description") for described in schema["$defs"].values())


def test_schema_without_a_command_lists_the_commands() -> None:
    assert main_with("schema").out.splitlines() == list(RESULTS)
    unknown = main_with("schema", "demo")
    assert (unknown.code, unknown.err.count("\n")) == (2, 1)
    assert "no command demo prints JSON: `floorline schema` lists" in unknown.err


@pytest.mark.parametrize(
    ("arguments", "command", "kind"),
    [
        ("status --jsn --json", "status", "UsageError"),
        ("alerts show x --json", "alerts show", "UsageError"),
        ("alerts show 7 --json --config CONFIG", "alerts show", "ConfigError"),
        ("query --json nonsense --config CONFIG", "query", "NotPublished"),
        ("backfill --json --config CONFIG", "backfill", "ConfigError"),
        ("status --json --config /nowhere/floorline.toml", "status", "ConfigError"),
    ],
)
def test_error_is_json_on_stdout_and_a_line_on_stderr(
    tmp_path: Path, sandbox: Sandbox, arguments: str, command: str, kind: str
) -> None:
    config = str(Bench.at(tmp_path, sandbox, basket()).config)
    output = main_with(*(config if part == "CONFIG" else part for part in arguments.split()))
    envelope = read_envelope(output.out)
    assert (envelope["command"], envelope["error"]["type"]) == (command, kind)
    assert (output.code, envelope["error"]["exit_code"]) == (2, 2)
    assert output.err == f"floorline: {envelope['error']['message']}\n"


def test_error_of_an_api_says_which_api_and_its_code(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket())
    Path(tmp_path / "cs2cap.key").write_text("sk_wrong")
    failure = read_failure(main_with("plan", "--json", "--config", str(bench.config)).out)
    assert (failure["source"], failure["http_status"]) == ("cs2cap", 401)
    assert (failure["type"], failure["exit_code"], bool(failure["code"])) == ("KeyInvalid", 4, True)


def test_error_without_json_leaves_stdout_empty() -> None:
    assert main_with("status", "--jsn").out == ""
    assert main_with("query", "--", "--json").out == ""

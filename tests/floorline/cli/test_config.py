"""The commands `floorline config check`, `show` and `schema`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Sandbox
from tests.support.json_outputs import read_result
from tests.support.snapshots import REDLINE, Bench, CommandOutput, basket, main_with

pytestmark = pytest.mark.usefixtures("no_prefect")


def config(command: str, bench: Bench, *arguments: str) -> CommandOutput:
    return main_with("config", command, *arguments, "--config", str(bench.config))


def at(folder: Path, sandbox: Sandbox, **fields: Any) -> Bench:
    return Bench.at(folder, sandbox, basket(**fields), source={"tier": "pro"})


def test_check_sends_no_request_and_says_what_was_not_looked_up(bench: Bench, sandbox: Sandbox) -> None:
    output = config("check", bench)
    assert (output.code, sandbox.requests.since(0)) == (0, [])
    assert "the catalog of items, the list of providers. `floorline plan` looks up all names" in output.out


def test_check_looks_names_up_in_cached_catalogs(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = at(tmp_path, sandbox, items=["ak redline ft", "★ *"], currencies=["USD", "eur"])
    assert main_with("plan", "--config", str(bench.config)).code == 0
    output = config("check", bench)
    assert output.code == 0
    assert f"core: 'ak redline ft' is '{REDLINE}'" in output.out
    assert "every name in it exists" in output.out
    (selection,) = read_result(config("check", bench, "--json").out)
    assert selection["items"] > 2
    assert (selection["currencies"], selection["unchecked"]) == (["USD", "EUR"], [])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"items": ["AK-47 | Redlin (Field-Tested)"]}, f"did you mean '{REDLINE}'"),
        ({"providers": ["steem"]}, "did you mean 'steam'"),
        ({"currencies": ["USD", "EUX"]}, "did you mean 'EU"),
    ],
)
def test_check_refuses_names_that_do_not_exist(
    tmp_path: Path, sandbox: Sandbox, fields: dict[str, Any], message: str
) -> None:
    main_with("plan", "--config", str(at(tmp_path, sandbox, currencies=["USD", "EUR"]).config))
    output = config("check", at(tmp_path, sandbox, **fields))
    assert (output.code, output.out) == (2, "")
    assert output.err.startswith("floorline: basket core: no ")
    assert message in output.err


def test_check_reads_item_files(tmp_path: Path, sandbox: Sandbox) -> None:
    output = config("check", at(tmp_path, sandbox, items=["file:missing.txt"]))
    assert output.code == 2
    assert "basket core: missing.txt cannot be read: No such file" in output.err


def test_check_refuses_a_configuration_without_baskets(tmp_path: Path, sandbox: Sandbox) -> None:
    output = config("check", Bench.at(tmp_path, sandbox))
    assert output.code == 2
    assert "no basket is configured" in output.err


def test_show_prints_toml_and_json_of_the_same(bench: Bench) -> None:
    shown = tomllib.loads(config("show", bench).out)
    assert shown["baskets"][0]["every"] == "10m"
    as_json = read_result(config("show", bench, "--json").out)
    assert as_json["baskets"][0] == {**shown["baskets"][0], "cron": None, "deployment": None}


def test_schema_needs_no_configuration() -> None:
    output = main_with("config", "schema")
    assert output.code == 0
    assert json.loads(output.out)["$schema"].endswith("2020-12/schema")

"""Run the fenced blocks of a document, in order: Python, SQL and commands on a market, and configurations.

Sybil finds the blocks. The Python blocks of a document share their names. A comment in a document leaves the
next block out: `<!-- skip: next if(not pandas, reason="...") -->`.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
import tomllib
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import duckdb
import yaml
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from pipelines.config import parse_settings
from tests.support.snapshots import clean_env

# A whole path that a document needs, in place of the folder of the market.
WHOLE_PATH: Final = "/home/me/floorline/"
FILE: Final = "data/market.duckdb"
PROMPT: Final = "$ "


def run_fences(document: Path) -> dict[str, Any]:
    """Run the blocks of a document in the working directory, which has the market in `data`.

    Returns the names that the Python blocks define. Raises SybilFailure where a command or the answer that
    the document shows is wrong, and what a block of Python or SQL raises.
    """
    parsed = SYBIL.parse(document)
    parsed.namespace["pandas"] = importlib.util.find_spec("pandas")
    for example in parsed.examples():
        try:
            example.evaluate()
        except unittest.SkipTest:
            continue
    return parsed.namespace


def run_sql(example: Example) -> None:
    """Run the statements in a session in memory, with the market in use unless they attach it themselves."""
    sql = example.parsed.replace(WHOLE_PATH, "")
    with duckdb.connect() as db:
        if "ATTACH" not in sql:
            db.execute(f"ATTACH '{FILE}' AS market (READ_ONLY); USE market")
        db.execute(sql).fetchall()


def run_console(example: Example) -> str | None:
    """Run each command behind a prompt; return how the answer below it differs from the document."""
    for command, shown in split_commands(example.parsed):
        done = subprocess.run(
            ["bash", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            env=clean_env(PATH=f"{Path(sys.executable).parent}:{os.defpath}"),
        )
        if done.returncode:
            return f"exit code {done.returncode} of {command}\n{done.stderr}"
        if shown and [line.rstrip() for line in done.stdout.splitlines()] != shown:
            return f"{command} prints\n{done.stdout}"
    return None


def split_commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command with the lines that stand below it. Raises ValueError for a line before a prompt."""
    first, *parts = f"\n{text}".split(f"\n{PROMPT}")
    if first.strip():
        raise ValueError(f"no prompt: {first}")
    for part in parts:
        command, *shown = part.rstrip().splitlines()
        shlex.split(command, comments=True)  # raises ValueError for a quotation mark that is left open
        yield command, shown


def check_toml(example: Example) -> None:
    """Read a configuration, or a part of one."""
    parse_settings(tomllib.loads(example.parsed), Path.cwd())


def check_yaml(example: Example) -> None:
    """Read a block of YAML."""
    yaml.safe_load(example.parsed)


EVALUATORS: Final = {"sql": run_sql, "console": run_console, "toml": check_toml, "yaml": check_yaml}
SYBIL: Final = Sybil(
    parsers=[
        SkipParser(),
        PythonCodeBlockParser(),
        *(CodeBlockParser(language, evaluator) for language, evaluator in EVALUATORS.items()),
    ],
    name="documents",
)

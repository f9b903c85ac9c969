"""The text of a configuration says what was answered, whatever was answered; the example is such a text."""

from __future__ import annotations

import inspect
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorline.cli.commands.operate import deployments
from floorline.setup.configuration_file import Answers, render_configuration
from floorline.setup.interview import START
from pipelines.config import parse_settings

ROOT = Path(__file__).parents[3]
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
NAMES = st.lists(st.one_of(TEXT, st.integers(min_value=0, max_value=10**9)), min_size=1, max_size=4)


def test_example_is_the_text_for_the_default_answers() -> None:
    example = (ROOT / "floorline.example.toml").read_text("utf-8")
    assert example.partition("\n\n")[2] == render_configuration(Answers())


@given(items=NAMES, providers=st.lists(TEXT, min_size=1, max_size=3), warehouse=TEXT, notify=TEXT)
def test_text_says_what_was_answered(
    items: list[str | int], providers: list[str], warehouse: str, notify: str
) -> None:
    answers = Answers(items=items, providers=providers, warehouse=warehouse, notify=[notify])
    read = tomllib.loads(render_configuration(answers))
    (basket,) = read["baskets"]
    assert (basket["items"], basket["providers"]) == (items, providers)
    assert (read["warehouse"]["path"], read["alerts"]["notify"]) == (warehouse, [notify])


@pytest.mark.parametrize("source", ["cs2cap", "skinshark"])
def test_text_is_a_valid_configuration(source: str) -> None:
    answers = replace(START[source], base_url="http://127.0.0.1:1", notify=["env:URL"])
    text = render_configuration(answers)
    settings = parse_settings(tomllib.loads(text), Path("/srv"))
    assert settings.sources[source].base_url == "http://127.0.0.1:1"
    assert settings.alerts.notify == ("env:URL",)
    assert max(map(len, text.splitlines())) <= 110


def test_git_ignores_what_a_user_writes_and_not_what_the_repository_keeps() -> None:
    written = str(inspect.signature(deployments).parameters["to"].default)
    kept = ["prefect.yaml", "floorline.example.toml"]
    ignored = ["floorline.toml", written, "sandbox.key", "sandbox-data/market.duckdb"]
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", *ignored, *kept],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ignored

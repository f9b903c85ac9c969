"""The command `floorline init`: by options, by questions, on the sandbox, and over what exists."""

from __future__ import annotations

import io
import stat
import sys
import tomllib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from floorline.setup.creation import Request, create_configuration
from floorline.setup.prompts import LinePrompts, ScreenPrompts
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.server import serve
from tests.support.json_outputs import read_result
from tests.support.questions import DOWN, ENTER, SPACE, answer_on_terminal, typed
from tests.support.sandboxes import quiet
from tests.support.snapshots import REDLINE, CommandOutput, main_with

pytestmark = pytest.mark.usefixtures("no_prefect")
RUBY = "★ Karambit | Doppler (Factory New) @ Ruby"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return a sandbox that no test changes."""
    with serve(quiet()) as box:
        yield box


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with the key of the sandbox in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CS2C_API_KEY", VALID_KEY)
    return tmp_path


def init(sandbox: Sandbox | None, *options: str) -> CommandOutput:
    address = ("--base-url", sandbox.url) if sandbox else ()
    return main_with("init", *address, *options)


def written() -> dict[str, Any]:
    return tomllib.loads(Path("floorline.toml").read_text("utf-8"))


def test_options_are_written_checked_and_priced(sandbox: Sandbox) -> None:
    items = ("--items", "ak redline ft", "--items", "★ Karambit | *", "--items", "23")
    scope = ("--providers", "steam, csfloat", "--currencies", "USD", "--every", "1h", "--basket", "mine")
    output = init(sandbox, *items, *scope, "--notify", "env:ALERT_URL", "--tier", "Pro")
    assert output.code == 0, output.err
    basket, source = written()["baskets"][0], written()["sources"]["cs2cap"]
    assert basket["items"] == [REDLINE, "★ Karambit | *", 23]
    assert (basket["name"], basket["providers"], basket["every"]) == ("mine", ["steam", "csfloat"], "1h")
    assert (source["key"], source["tier"]) == ("env:CS2C_API_KEY", "Pro")
    assert written()["alerts"]["notify"] == ["env:ALERT_URL"]
    assert "every name in it exists" in output.out
    assert "cs2cap, pro tier" in output.out
    assert "floorline up" in output.out
    assert main_with("snapshot", "--quiet").code == 0


def test_result_as_json_has_the_cost_and_the_next_steps(sandbox: Sandbox) -> None:
    result = read_result(init(sandbox, "--items", "ak redline ft", "--json").out)
    assert (result["path"], result["key_file"]) == ("floorline.toml", None)
    assert result["baskets"][0]["items"] == 1
    assert result["plan"]["fits"] is True
    assert [step["command"] for step in result["next_steps"]][-1] == "floorline up"


def test_without_a_terminal_items_are_an_option(sandbox: Sandbox) -> None:
    output = init(sandbox)
    assert output.code == 2
    assert "give the items as options, as in --items 'ak redline ft'" in output.err
    assert not Path("floorline.toml").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--items", "ak redlin ft"), f"no item is called 'ak redlin ft'; did you mean '{REDLINE}'"),
        (("--items", REDLINE, "--providers", "steem"), "did you mean 'steam'"),
        (("--items", REDLINE, "--currencies", "EUX"), "no currency is called"),
        (("--items", REDLINE, "--every", "5s"), "must be from 10s"),
        (("--items", REDLINE, "--tier", "gold"), 'must be one of "auto", "free"'),
        (("--items", REDLINE, "--source", "buff"), "--source must be one of cs2cap, skinshark"),
        (("--items", "file:none.txt"), "none.txt cannot be read"),
    ],
)
def test_wrong_answers_write_nothing(sandbox: Sandbox, options: tuple[str, ...], message: str) -> None:
    output = init(sandbox, *options)
    assert (output.code, output.out) == (2, "")
    assert message in output.err.splitlines()[-1]
    assert not Path("floorline.toml").exists()


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("--key", VALID_KEY, "never write the key itself"),
        ("--notify", f"json://host/?key={VALID_KEY}", "an answer has an API key"),
        ("--items", VALID_KEY, "an answer has an API key"),
    ],
)
def test_key_itself_is_refused_without_being_shown(
    sandbox: Sandbox, option: str, text: str, message: str
) -> None:
    output = init(sandbox, "--items", REDLINE, option, text)
    assert output.code == 2
    assert message in output.err
    assert VALID_KEY not in output.out + output.err
    assert not Path("floorline.toml").exists()


def test_missing_key_is_the_first_step(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CS2C_API_KEY")
    output = init(sandbox, "--items", "ak redline ft")
    assert output.code == 0
    assert "names are not looked up yet" in output.err
    assert "export CS2C_API_KEY=...  the environment variable CS2C_API_KEY is not set" in output.out
    assert written()["baskets"][0]["items"] == ["ak redline ft"]


def test_sandbox_works_at_once(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CS2C_API_KEY")
    output = init(sandbox, "--sandbox")
    assert output.code == 0, output.err
    assert stat.S_IMODE(Path("sandbox.key").stat().st_mode) == 0o600
    assert "every name in it exists" in output.out
    assert f"floorline sandbox --port {sandbox.url.rpartition(':')[2]}" in output.out
    assert main_with("snapshot", "--quiet").code == 0
    assert VALID_KEY not in Path("floorline.toml").read_text("utf-8")
    assert Path("sandbox-data/market.duckdb").exists()
    assert not Path("data").exists()


def test_sandbox_of_skinshark(sandbox: Sandbox) -> None:
    assert init(sandbox, "--sandbox", "--source", "skinshark").code == 0
    assert main_with("snapshot", "--quiet").code == 0
    assert written()["baskets"][0]["currencies"] == ["USD"]


def test_existing_configuration_is_replaced_by_force_only(sandbox: Sandbox) -> None:
    Path("floorline.toml").write_text("# mine\n")
    output = init(sandbox, "--sandbox")
    assert output.code == 2
    assert "floorline.toml exists already: --force replaces it" in output.err
    assert Path("floorline.toml").read_text() == "# mine\n"
    assert not Path("sandbox.key").exists()
    assert init(sandbox, "--sandbox", "--force").code == 0
    assert written()["baskets"]


def test_other_path_is_part_of_the_next_steps(sandbox: Sandbox) -> None:
    output = main_with("init", "--sandbox", "--base-url", sandbox.url, "--config", "there/my market.toml")
    assert output.code == 0
    assert "floorline up --config 'there/my market.toml'" in output.out
    assert Path("there/sandbox.key").exists()


def test_folder_that_cannot_be_made_is_one_line(sandbox: Sandbox) -> None:
    Path("file").write_text("")
    output = main_with("init", "--sandbox", "--base-url", sandbox.url, "--config", "file/floorline.toml")
    assert output.code == 2
    assert "file/sandbox.key cannot be written: a part of its path is a file" in output.err


def test_folder_is_no_configuration(sandbox: Sandbox) -> None:
    Path("folder").mkdir()
    output = init(sandbox, "--sandbox", "--force", "--config", "folder")
    assert (output.code, output.err) == (
        2,
        "floorline: folder is a folder: pass the path of a file with --config\n",
    )
    assert list(Path().iterdir()) == [Path("folder")]


def ask(prompts: LinePrompts | ScreenPrompts, **given: Any) -> None:
    request = Request(Path("floorline.toml"), given, prompts=lambda: nullcontext(prompts))
    create_configuration(request, lambda _: None)


def test_screen_answers(sandbox: Sandbox) -> None:
    keys = [
        *(ENTER, ENTER, DOWN, DOWN, ENTER),  # the source, the place of the key, the tier
        *("ak redline ft", ENTER, "karambit doppler fn ruby", ENTER, ENTER),
        *("waxp", SPACE, ENTER),  # with the marketplaces that are chosen already
        *(", eth", ENTER, "\x15", "2h", ENTER, ENTER),
    ]
    with typed("".join(keys)):
        ask(ScreenPrompts(), base_url=sandbox.url)
    basket = written()["baskets"][0]
    assert basket["items"] == [REDLINE, RUBY]
    assert basket["providers"] == ["buff163", "csfloat", "skinport", "steam", "waxpeer"]
    assert (basket["currencies"], basket["every"]) == (["USD", "EUR", "eth"], "2h")
    assert written()["sources"]["cs2cap"]["tier"] == "starter"


def test_line_answers_and_what_is_wrong_with_some(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        *("cs2cup", "cs2cap", VALID_KEY, "env:CS2C_API_KEY", "", "", "ak redl", "ak redline ft", ""),
        *("steam, bufff163", "all", "USD, euro", "USD, EUX", "USD", "1 sec", "1d", "env:ALERT_URL", ""),
    ]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
    ask(LinePrompts(), base_url=sandbox.url)
    basket = written()["baskets"][0]
    assert (basket["items"], basket["providers"]) == ([REDLINE], ["all"])
    assert (basket["currencies"], basket["every"]) == (["USD"], "1d")
    assert written()["alerts"]["notify"] == ["env:ALERT_URL"]
    errors = capsys.readouterr().err
    for problem in (
        "'cs2cup' is none of these; did you mean 'cs2cap'?",
        "never write the key itself",
        "Name one item at least.",
        f"    {REDLINE}\n",
        "'bufff163' is none of these; did you mean 'buff163'?",
        "did you mean EUR?",
        "no currency is called 'EUX'",
        "must be from 10s",
    ):
        assert problem in errors


def test_questions_that_options_answer_are_not_asked(sandbox: Sandbox) -> None:
    given = {"source": "skinshark", "key": "file:k", "items": ["AK-47 | Redline (Field-Tested)"]}
    with typed(ENTER * 3):  # the tier, the interval, the receivers
        ask(ScreenPrompts(), base_url=sandbox.url, **given)
    assert written()["baskets"][0]["source"] == "skinshark"


@pytest.mark.slow
def test_person_on_a_terminal(sandbox: Sandbox, folder: Path) -> None:
    path = folder / "floorline.toml"
    path.write_text("# mine\n")
    arguments = ("init", "--base-url", sandbox.url, "--items", REDLINE, "--config", str(path))
    answers = [
        ("exists already. Replace it?", "y\r"),
        ("Which API", ENTER),
        ("Where is your API key", ENTER),
        ("Which tier", ENTER),
        ("Which marketplaces", ENTER),
        ("Which currencies", ENTER),
        ("How often", ENTER),
        ("Who receives alerts", ENTER),
    ]
    env = {"TERM": "xterm-256color", "CS2C_API_KEY": VALID_KEY, "PROMPT_TOOLKIT_NO_CPR": "1"}
    code, printed = answer_on_terminal(arguments, answers, **env)
    assert code == 0, printed
    assert "What comes next" in printed
    assert tomllib.loads(path.read_text("utf-8"))["baskets"][0]["items"] == [REDLINE]


@pytest.mark.slow
def test_interrupted_question_writes_nothing(sandbox: Sandbox, folder: Path) -> None:
    path = folder / "new.toml"
    arguments = ("init", "--base-url", sandbox.url, "--config", str(path))
    code, printed = answer_on_terminal(
        arguments, [("Which API", "\x03")], TERM="xterm", PROMPT_TOOLKIT_NO_CPR="1"
    )
    assert code == 130
    assert printed.rstrip().endswith("floorline: interrupted")
    assert not path.exists()


def test_foreign_names_of_marketplaces_run_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("odd\n"))
    assert LinePrompts().choose_several("Which?", {"odd": "\x1b[31mOdd"}, ()) == ["odd"]
    assert "\x1b" not in capsys.readouterr().err

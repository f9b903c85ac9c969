"""Wrong configurations and what Floorline says of each: the line, the basket, and what to write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from common.errors import ConfigError
from pipelines.config import load_settings
from tests.support.snapshots import main_with

GOOD = """\
[warehouse]
path = "data"

[sources.cs2cap]
key = "env:CS2C_API_KEY"

[[baskets]]
name = "core"
source = "cs2cap"
items = ["AK-47 | Redline (Field-Tested)"]
every = "10m"
"""
KEY = "abcdef0123456789"
# The words of the libraries, which no user of Floorline knows.
FOREIGN = re.compile(
    r"Extra inputs|Input should|valid|pydantic|string|boolean|integer|at line|column|Errno|Expected|ZoneInfo"
    r"|croniter|tuple|dict|NoneType"
)
TABLE = Path(__file__).with_name("wrong_configurations.txt")
CASE = re.compile(r"^(?P<name>[^#\n].*)\n-(?P<old>.*)\n\+(?P<new>.*)\n=(?P<message>.*)$", re.MULTILINE)
CASES = {
    case["name"]: tuple(case[part].strip().replace("¶", "\n") for part in ("old", "new", "message"))
    for case in CASE.finditer(TABLE.read_text("utf-8"))
}


def write(folder: Path, text: str) -> Path:
    path = folder / "floorline.toml"
    path.write_text(text, "utf-8")
    return path


def error_of(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    return str(caught.value)


@pytest.mark.parametrize(("old", "new", "message"), CASES.values(), ids=CASES)
def test_wrong_configuration_is_one_line_that_says_what_to_write(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1) if old else new)
    assert error_of(path) == f"{path}: {message}"
    assert KEY not in message
    assert not FOREIGN.search(message)


def test_every_command_refuses_a_wrong_configuration(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace('every = "10m"', 'cron = "61 * * * *"'))
    commands = [
        "snapshot",
        "plan",
        "status",
        "doctor",
        "query SELECT_1",
        "alerts list",
        "maintain load",
        "up",
    ]
    for command in commands:
        output = main_with(*command.split(), "--config", str(path))
        shown = output.out + output.err
        assert output.code != 0, command
        assert "line 11: basket core: cron is no cron expression" in " ".join(shown.split()), command


@pytest.mark.parametrize("place", ["# {}", "path = '{}'", "[sources.{}]", "{}", "[[baskets]]\nname = '{}'"])
def test_key_in_a_file_is_refused_wherever_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A key has the form of an API's keys, or is in the variable that the configuration names."""
    monkeypatch.setenv("MY_KEY", "a-key-of-no-known-form")
    for key in ("cs2c_live_1234567890abcdef", "sk_live_1234567890", "a-key-of-no-known-form"):
        path = write(tmp_path, f'[sources.cs2cap]\nkey = "env:MY_KEY"\n{place.format(key)}\n')
        message = error_of(path)
        assert "has an API key, which does not belong into a file" in message
        assert key not in message
        assert key[5:] not in message


def test_address_of_a_receiver_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "json://127.0.0.1:9")
    path = write(tmp_path, '[alerts]\nnotify = ["json://127.0.0.1:9/alerts", "env:HOOK"]\n')
    assert len(load_settings(path).alerts.notify) == 2


def test_key_in_a_file_of_items_is_refused_without_being_shown(tmp_path: Path) -> None:
    (tmp_path / "items.txt").write_text("AK-47 | Redline (Field-Tested)\ncs2c_live_1234567890abcdef\n")
    path = write(tmp_path, GOOD.replace('["AK-47 | Redline (Field-Tested)"]', '"file:items.txt"'))
    output = main_with("doctor", "--config", str(path))
    assert output.code != 0
    assert "items.txt: line 2 has an API key" in " ".join((output.out + output.err).split())
    assert "1234567890" not in output.out + output.err


def test_file_that_is_no_configuration_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "utf16.toml").write_bytes(GOOD.encode("utf-16"))
    for name, message in {
        "none.toml": "there is no configuration at",
        "no/such/floorline.toml": f"(there is no folder {tmp_path / 'no'})",
        "folder": "is a folder: pass the path of the file with --config",
        "utf16.toml": "it is not UTF-8 text; save it as UTF-8",
        "a\0b": "is no path of a file",
    }.items():
        assert message in error_of(tmp_path / name)


def test_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "floorline.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_settings(path).baskets[0].name == "core"

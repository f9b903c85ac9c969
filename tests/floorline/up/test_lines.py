"""The log of `floorline up`: for people and for programs, private, rotated, without secrets."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from floorline.streams import prepare_streams
from floorline.up import lines
from floorline.up.lines import LogFormat, close_log, open_log, report, warn


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close the log after each test: the logger is that of the process."""
    yield
    close_log()


def fail() -> None:
    raise AssertionError("stdout can be written")


def printed(folder: Path, log_format: LogFormat, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines of two events on stdout, which are also those of the file."""
    stdout = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stdout)
    open_log(folder, log_format, fail)
    report("run.ended", "run core: Completed", run="core", seconds=1.5)
    warn("server.open", "http://me:planted@host/api\x1b[31m answers\nto all")
    return stdout.getvalue().splitlines()


def test_lines_for_people_have_a_time_and_neither_secrets_nor_escape_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = printed(tmp_path, "text", monkeypatch)
    assert first[8:] == " run core: Completed"
    assert second[8:] == r" warning: http://***@host/api\x1b[31m answers"
    assert third == "to all"
    written = (tmp_path / "up.log").read_text().splitlines()
    assert [line.removeprefix(line[:11]) for line in written[:2]] == [first, second]


def test_json_lines_have_the_values_of_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = map(json.loads, printed(tmp_path, "json", monkeypatch))
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "info",
        "event": "run.ended",
        "message": "run core: Completed",
        "run": "core",
        "seconds": 1.5,
    }
    assert (second["level"], second["event"]) == ("warning", "server.open")
    assert second["message"] == "http://***@host/api\x1b[31m answers\nto all"
    assert [json.loads(line)["event"] for line in (tmp_path / "up.log").read_text().splitlines()] == [
        "run.ended",
        "server.open",
    ]


def test_file_is_private_and_is_renamed_when_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_BYTES", 200)
    earlier = os.umask(0)
    try:
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        open_log(tmp_path, "text", fail)
        for number in range(50):
            report("run.ended", f"run {number}")
    finally:
        os.umask(earlier)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["up.log", "up.log.1", "up.log.2", "up.log.3"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert max(file.stat().st_size for file in files) <= 200
    assert "run 49" in files[0].read_text()


def test_lost_terminal_is_told_once_and_the_file_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)  # as `floorline up | head` leaves it
    told = []
    with open(writer, "w", encoding="utf-8") as stdout:  # noqa: PTH123 - the pipe is open already
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        prepare_streams()
        open_log(tmp_path, "text", lambda: told.append("lost"))
        report("run.ended", "run 1")
        report("run.ended", "run 2")
        close_log()
    assert told == ["lost"]
    assert [line[20:] for line in (tmp_path / "up.log").read_text().splitlines()] == ["run 1", "run 2"]

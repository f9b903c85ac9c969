"""The standard streams of the command: closed, full, broken, odd in encoding or size.

Cases are new (a traceback, or another exit code, before) unless their id says guard.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.server import serve
from tests.support.cases import slow_but_first
from tests.support.json_outputs import read_result
from tests.support.sandboxes import quiet
from tests.support.shell import run_script
from tests.support.snapshots import Bench, basket

NAMES = "SELECT '★ Karambit é 😀' AS item"
MANY = "FROM range(300000)"
CLOSED = "floorline: the output cannot be written: Bad file descriptor; "


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with serve(quiet(frozen=None)) as sandbox:
        bench = Bench.at(tmp_path_factory.mktemp("template"), sandbox, basket())
        bench.snapshot()
        yield bench


@pytest.fixture
def bench(template: Bench, tmp_path: Path) -> Bench:
    return template.copy(tmp_path)


@pytest.mark.parametrize(
    "command",
    slow_but_first("status", "snapshot", "query 'FROM quotes'", "query 'FROM quotes' --json", "plan"),
)
def test_a_closed_stdout_is_one_line_after_the_work(bench: Bench, command: str) -> None:
    done = run_script(bench, f'"$0" {command} >&-')
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1), done.stderr
    assert done.stderr.decode().startswith(CLOSED)
    assert len(bench.query("FROM runs")) == 1 + (command == "snapshot")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "code"), [("2>&-", 0), ("<&-", 0), ("2>&- <&-", 0), (">&- 2>&- <&-", 1)]
)
def test_a_command_runs_without_its_other_streams(bench: Bench, redirection: str, code: int) -> None:
    done = run_script(bench, f'"$0" snapshot {redirection}')
    assert (done.returncode, done.stderr) == (code, b"")
    assert len(bench.query("FROM runs")) == 2


@pytest.mark.parametrize(
    "script",
    slow_but_first(
        f'"$0" query "{MANY}" | head -1 > /dev/null',
        f'"$0" query "{MANY}" --json | head -1 > /dev/null',
        f'"$0" query "{MANY}" --csv | head -1 > /dev/null',
        '"$0" status | true',
        '"$0" doctor | true',
        '"$0" snapshot | true',
    ),
)
def test_a_reader_that_has_enough_ends_the_command_in_silence(bench: Bench, script: str) -> None:
    done = run_script(bench, f"{script}; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    "command", slow_but_first("status", f"query '{MANY}'", f"query '{MANY}' --csv", "snapshot --json")
)
def test_a_full_disk_for_the_output_is_one_line(bench: Bench, command: str) -> None:
    done = run_script(bench, f'"$0" {command} > /dev/full')
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1), done.stderr
    assert b"the output cannot be written: No space left on device" in done.stderr


@pytest.mark.slow
def test_an_error_keeps_its_exit_code_where_it_cannot_be_printed(bench: Bench) -> None:
    assert run_script(bench, '"$0" query "FROM nothing" 2> /dev/full').returncode == 2


@pytest.mark.slow
def test_sql_that_cannot_be_read_is_one_line(bench: Bench) -> None:
    for script, reason in (
        ('"$0" query - <&-', "Bad file descriptor"),
        ("printf '\\377' | \"$0\" query -", "it is not UTF-8 text"),
    ):
        done = run_script(bench, script)
        assert done.returncode == 2
        assert (
            done.stderr.decode() == f"floorline: the SQL cannot be read from the standard input: {reason}\n"
        )


@pytest.mark.slow
def test_a_question_without_an_answer_is_one_line(bench: Bench) -> None:
    done = run_script(bench, '"$0" maintain rebuild <&-')
    assert done.returncode == 1
    assert done.stderr.endswith(b"what the command did is kept; run it again with another output\n")


ENCODINGS = [
    pytest.param({"PYTHONIOENCODING": "ascii"}, id="ascii"),
    pytest.param({"PYTHONIOENCODING": "latin-1:strict"}, id="latin-1"),
    pytest.param({"PYTHONIOENCODING": "cp1252"}, id="cp1252"),
    pytest.param({"PYTHONIOENCODING": "utf-16"}, id="utf-16"),
    pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, id="C"),
    pytest.param({"LANG": "C"}, id="C with UTF-8: guard"),
]


@pytest.mark.slow
@pytest.mark.parametrize("env", ENCODINGS)
def test_names_come_out_whole_in_every_encoding(bench: Bench, env: dict[str, str]) -> None:
    for form, expected in ((" --csv", "item\n★ Karambit é 😀\n"), ("", "item\n★ Karambit é 😀\n1 row\n")):
        done = run_script(bench, f'"$0" query "{NAMES}"{form}', **env)
        assert (done.returncode, done.stdout.decode(), done.stderr) == (0, expected, b"")
    rows = read_result(run_script(bench, f'"$0" query "{NAMES}" --json', **env).stdout)
    assert rows == [{"item": "★ Karambit é 😀"}]


@pytest.mark.slow
@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"COLUMNS": "²"}, id="COLUMNS=²"),
        *(
            pytest.param({name: value}, id=f"{name}={value[:10]}: guard")
            for name, value in (
                ("COLUMNS", "abc"),
                ("COLUMNS", "-5"),
                ("COLUMNS", "1"),
                ("COLUMNS", "99999999999999999999"),
                ("TERMINAL_WIDTH", "abc"),
                ("TERM", ""),
                ("TERM", "dumb"),
                ("TERM", "x" * 5000),
                ("TZ", "Nonsense/Zone"),
                ("FORCE_COLOR", "1"),
            )
        ),
    ],
)
def test_an_odd_terminal_shows_a_snapshot(bench: Bench, env: dict[str, str]) -> None:
    done = run_script(bench, 'script -qec "$0 snapshot" /dev/null', **env)
    assert (done.returncode, b"Traceback" in done.stdout) == (0, False), done.stdout

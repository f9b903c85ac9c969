"""Failures of `floorline key rotate`: lost responses, failing stores, interrupts. No key is lost silently."""

from __future__ import annotations

import re
import resource
import signal
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.key_rotation import (
    REISSUE,
    backup_files,
    during_reissue,
    is_accepted,
    key_file,
    rotate,
    rotate_in_process,
)
from tests.support.sandboxes import HttpGet
from tests.support.snapshots import Bench, basket
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("fault", ["lost_answer", "drop"])
def test_lost_response_refers_the_user_to_the_dashboard(
    bench: Bench, sandbox: Sandbox, http_get: HttpGet, fault: str
) -> None:
    sandbox.fault(fault, path=REISSUE, times=None)
    output = rotate(bench, code=4)
    (warning, line) = output.err.splitlines()
    assert "are revoked at once" in warning
    assert "it is unknown whether a new key was issued" in line
    assert "dashboard" in line
    assert key_file(bench).read_text().strip() == VALID_KEY
    assert (len(sandbox.requests.of_path(REISSUE)), backup_files(bench), output.out) == (1, [], "")
    assert http_get(sandbox, "/v1/fx").status_code == (401 if fault == "lost_answer" else 200)


def test_key_is_in_the_backup_file_if_it_cannot_be_stored(
    bench: Bench, sandbox: Sandbox, http_get: HttpGet
) -> None:
    thread = during_reissue(sandbox, key_file(bench).unlink)
    output = rotate(bench, code=4)
    thread.join()
    (file,) = backup_files(bench)
    assert is_accepted(sandbox, http_get, file)
    assert f"is in {file}" in output.out
    assert f"put the key in {file} into file:{key_file(bench)} yourself" in output.out
    assert "could not be stored in its place" in output.err
    assert "No such file or directory" in output.err


def test_place_of_the_key_is_printed_before_the_verification(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATED_KEY", VALID_KEY)
    bench = Bench.at(tmp_path, sandbox, basket(), source={"key": "env:ROTATED_KEY"})
    sandbox.fault("latency", path="/v1/account/key", after=1, seconds=3600)
    with rotate_in_process(bench, "--yes") as process:
        wait_until(lambda: len(sandbox.requests.of_path("/v1/account/key")) == 2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=240)
    assert (process.returncode, "Traceback" in err) == (130, False)
    (file,) = backup_files(bench)
    assert f"the new key is in {file}; verifying the key" in err


def test_key_that_is_stored_and_cannot_be_verified(bench: Bench, sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("drop", path="/v1/account/key", after=1, times=None)
    output = rotate(bench, code=4)
    assert "accepts the key" not in output.out
    assert "the new key could not be verified" in output.err
    sandbox.faults.clear()
    assert is_accepted(sandbox, http_get, key_file(bench))


def test_key_that_can_be_stored_nowhere(bench: Bench, sandbox: Sandbox) -> None:
    with rotate_in_process(bench, "--yes") as process:
        no_bytes = (0, resource.RLIM_INFINITY)
        thread = during_reissue(
            sandbox, lambda: resource.prlimit(process.pid, resource.RLIMIT_FSIZE, no_bytes)
        )
        out, err = process.communicate(timeout=240)
        thread.join()
    assert (process.returncode, out) == (4, "")
    assert re.search(r"stored anywhere: .*keys/.*File too large; .*cs2cap.key: File too large", err)
    assert "Issue another key in the dashboard" in err
    assert "cs2c_live_" not in err
    assert key_file(bench).read_text().strip() == VALID_KEY
    assert backup_files(bench) == []


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT] * 30 + [signal.SIGHUP]])
def test_interrupt_during_the_request_is_deferred(
    bench: Bench, sandbox: Sandbox, http_get: HttpGet, signals: list[signal.Signals]
) -> None:
    with rotate_in_process(bench, "--yes") as process:
        assert process.stderr
        answers: list[str] = []

        def interrupt() -> None:
            for number in signals:  # two signals at once would be one
                process.send_signal(number)
                answers.append(next(line for line in process.stderr or () if "wait: " in line))

        during_reissue(sandbox, interrupt).join()
        rest = process.stderr.read()
        assert process.wait(240) == 0, rest
    assert all("wait: the new key is on its way" in answer for answer in answers)
    assert len(answers) == len(signals)
    assert is_accepted(sandbox, http_get, key_file(bench))

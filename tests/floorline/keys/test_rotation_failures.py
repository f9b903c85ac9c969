"""`floorline key rotate` where the answer, the store or the user fails it: no new key is lost unsaid."""

from __future__ import annotations

import re
import resource
import signal
import time
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.key_rotation import (
    REISSUE,
    accepted,
    during_the_call,
    key_file,
    rotate,
    rotating,
    spares,
)
from tests.support.sandboxes import HttpGet
from tests.support.snapshots import Bench, basket
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("fault", ["lost_answer", "drop"])
def test_a_lost_answer_is_unknown_and_sends_the_user_to_the_dashboard(
    bench: Bench, sandbox: Sandbox, http_get: HttpGet, fault: str
) -> None:
    sandbox.fault(fault, path=REISSUE, times=None)
    said = rotate(bench, code=4)
    (warned, line) = said.err.splitlines()
    assert "are revoked at once" in warned
    assert "it is not known whether the key was issued anew" in line
    assert "dashboard" in line
    assert key_file(bench).read_text().strip() == VALID_KEY
    assert (len(sandbox.requests.of_path(REISSUE)), spares(bench), said.out) == (1, [], "")
    assert http_get(sandbox, "/v1/fx").status_code == (401 if fault == "lost_answer" else 200)


def test_where_storing_fails_the_key_is_in_a_file_whose_path_is_told(
    bench: Bench, sandbox: Sandbox, http_get: HttpGet
) -> None:
    acting = during_the_call(sandbox, key_file(bench).unlink)
    said = rotate(bench, code=4)
    acting.join()
    (file,) = spares(bench)
    assert accepted(sandbox, http_get, file)
    assert f"is in {file}" in said.out
    assert f"put the key in {file} into file:{key_file(bench)} yourself" in said.out
    assert "could not be stored in its place" in said.err
    assert "No such file or directory" in said.err


def test_who_interrupts_the_trial_knows_where_the_key_is(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATED_KEY", VALID_KEY)
    bench = Bench.at(tmp_path, sandbox, basket(), source={"key": "env:ROTATED_KEY"})
    sandbox.fault("latency", path="/v1/account/key", after=1, seconds=5)
    with rotating(bench, "--yes") as process:
        wait_until(lambda: len(sandbox.requests.of_path("/v1/account/key")) == 2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (130, False)
    (file,) = spares(bench)
    assert f"the new key is in {file}; trying it" in err


def test_a_key_that_is_stored_and_cannot_be_proved_is_told_so(
    bench: Bench, sandbox: Sandbox, http_get: HttpGet
) -> None:
    sandbox.fault("drop", path="/v1/account/key", after=1, times=None)
    said = rotate(bench, code=4)
    assert "accepts it" not in said.out
    assert "the new key could not be proved" in said.err
    sandbox.faults.clear()
    assert accepted(sandbox, http_get, key_file(bench))


def test_a_key_that_can_be_stored_nowhere_is_lost_and_that_is_said(bench: Bench, sandbox: Sandbox) -> None:
    with rotating(bench, "--yes") as process:
        no_bytes = (0, resource.RLIM_INFINITY)
        acting = during_the_call(
            sandbox, lambda: resource.prlimit(process.pid, resource.RLIMIT_FSIZE, no_bytes)
        )
        out, err = process.communicate(timeout=60)
        acting.join()
    assert (process.returncode, out) == (4, "")
    assert re.search(r"stored anywhere: .*keys/.*File too large; .*cs2cap.key: File too large", err)
    assert "Issue another one in the dashboard" in err
    assert "cs2c_live_" not in err
    assert key_file(bench).read_text().strip() == VALID_KEY
    assert spares(bench) == []


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT, signal.SIGHUP]])
def test_who_interrupts_the_call_is_told_to_wait_and_the_key_is_stored(
    bench: Bench, sandbox: Sandbox, http_get: HttpGet, signals: list[signal.Signals]
) -> None:
    with rotating(bench, "--yes") as process:

        def interrupt() -> None:
            for number in signals:
                process.send_signal(number)
                time.sleep(0.1)

        acting = during_the_call(sandbox, interrupt)
        out, err = process.communicate(timeout=60)
        acting.join()
    assert process.returncode == 0, out + err
    assert err.count("wait: the new key is on its way") == len(signals)
    assert accepted(sandbox, http_get, key_file(bench))

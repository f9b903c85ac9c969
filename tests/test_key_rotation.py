"""`floorline key rotate`: one request, the new key stored before anything else, and never shown."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.core import Sandbox
from sandbox.keys import REVOKED_KEY, VALID_KEY
from tests.snapshot_kit import FLOORLINE, Bench, Said, basket, clean_env, main_with, priced

pytestmark = pytest.mark.slow

REISSUE = "/v1/account/key/reissue"
Ask = Callable[..., httpx.Response]
MakeSandbox = Callable[..., Sandbox]


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    """One source, its key in a file."""
    return Bench.at(tmp_path, sandbox, basket())


def key_file(bench: Bench) -> Path:
    return bench.folder / "cs2cap.key"


def rotate(bench: Bench, *arguments: str, code: int = 0, source: str = "cs2cap") -> Said:
    """What `key rotate --yes` says; it must end with `code`, and show no key."""
    said = main_with("key", "rotate", source, "--yes", *arguments, "--config", str(bench.config))
    assert said.code == code, said
    assert "cs2c_live_" not in said.out + said.err
    return said


def spares(bench: Bench) -> list[Path]:
    return sorted((bench.home.root / "keys").glob("*.key"))


def accepted(box: Sandbox, ask: Ask, file: Path) -> bool:
    """Whether a file holds a key that works, and nobody else can read it."""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = file.read_text().strip()
    return key != VALID_KEY and ask(box, "/v1/fx", key).status_code == 200


def wait_for(happened: Callable[[], bool]) -> None:
    """Wait until something has happened, for half a minute at most."""
    until = time.monotonic() + 30
    while not happened() and time.monotonic() < until:
        time.sleep(0.01)
    assert happened()


def during_the_call(box: Sandbox, act: Callable[[], object], seconds: float = 1) -> threading.Thread:
    """Do something while the reissue is under way, for so long; the thread that does it."""
    box.fault("latency", path=REISSUE, seconds=seconds)

    def wait_and_act() -> None:
        wait_for(lambda: bool(box.requests.to(REISSUE)))
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def test_a_key_in_a_file_is_replaced_there(bench: Bench, sandbox: Sandbox, ask: Ask) -> None:
    said = rotate(bench)
    assert accepted(sandbox, ask, key_file(bench))
    new = key_file(bench).read_text().strip()
    assert re.search(rf"the new key …{new[-4:]} of cs2cap is in file:.*, and the source accepts it", said.out)
    assert "nothing of Floorline is to be restarted" in said.out
    assert (len(sandbox.requests.to(REISSUE)), spares(bench), priced(sandbox)) == (1, [], [])
    assert [file.name for file in bench.folder.iterdir() if "key." in file.name] == []
    assert bench.snapshot()[0].state == "done"


def test_the_result_as_json(bench: Bench) -> None:
    told = json.loads(rotate(bench, "--json").out)
    assert told["key_tail"] == key_file(bench).read_text().strip()[-4:]
    assert (told["source"], told["accepted"], told["problem"]) == ("cs2cap", True, None)
    assert told["stored_in"] == f"file:{key_file(bench)}"


def test_a_link_stays_a_link(bench: Bench, sandbox: Sandbox, ask: Ask) -> None:
    real = bench.folder / "real" / "secret"
    real.parent.mkdir()
    key_file(bench).rename(real)
    key_file(bench).symlink_to(real)
    rotate(bench)
    assert key_file(bench).is_symlink()
    assert accepted(sandbox, ask, real)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_a_file_keeps_its_owner(bench: Bench) -> None:
    os.chown(key_file(bench), 1234, 1235)
    rotate(bench)
    owner = key_file(bench).stat()
    assert (owner.st_uid, owner.st_gid, stat.S_IMODE(owner.st_mode)) == (1234, 1235, 0o600)


def test_a_key_in_the_environment_goes_to_a_file_and_the_user_is_told(
    tmp_path: Path, sandbox: Sandbox, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATED_KEY", VALID_KEY)
    bench = Bench.at(tmp_path, sandbox, basket(), source={"key": "env:ROTATED_KEY"})
    said = rotate(bench)
    (file,) = spares(bench)
    assert accepted(sandbox, ask, file)
    assert f"is in {file}, and the source accepts it" in said.out
    assert f"put the key in {file} where ROTATED_KEY is set" in said.out
    assert "restart what was started with the old ROTATED_KEY" in said.out
    assert "cannot be put into the environment variable ROTATED_KEY" in said.err
    assert (file.parent / ".gitignore").read_text() == "*\n"
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("fault", ["lost_answer", "drop"])
def test_a_lost_answer_is_unknown_and_sends_the_user_to_the_dashboard(
    bench: Bench, sandbox: Sandbox, ask: Ask, fault: str
) -> None:
    sandbox.fault(fault, path=REISSUE, times=None)
    said = rotate(bench, code=4)
    (warned, line) = said.err.splitlines()
    assert "are revoked at once" in warned
    assert "it is not known whether the key was issued anew" in line
    assert "dashboard" in line
    assert key_file(bench).read_text().strip() == VALID_KEY
    assert (len(sandbox.requests.to(REISSUE)), spares(bench), said.out) == (1, [], "")
    assert ask(sandbox, "/v1/fx").status_code == (401 if fault == "lost_answer" else 200)


def test_where_storing_fails_the_key_is_in_a_file_whose_path_is_told(
    bench: Bench, sandbox: Sandbox, ask: Ask
) -> None:
    acting = during_the_call(sandbox, key_file(bench).unlink)
    said = rotate(bench, code=4)
    acting.join()
    (file,) = spares(bench)
    assert accepted(sandbox, ask, file)
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
        wait_for(lambda: len(sandbox.requests.to("/v1/account/key")) == 2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (130, False)
    (file,) = spares(bench)
    assert f"the new key is in {file}; trying it" in err


def test_a_key_that_is_stored_and_cannot_be_proved_is_told_so(
    bench: Bench, sandbox: Sandbox, ask: Ask
) -> None:
    sandbox.fault("drop", path="/v1/account/key", after=1, times=None)
    said = rotate(bench, code=4)
    assert "accepts it" not in said.out
    assert "the new key could not be proved" in said.err
    sandbox.faults.clear()
    assert accepted(sandbox, ask, key_file(bench))


@contextmanager
def rotating(bench: Bench, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that rotates the key; it asks unless told not to."""
    command = [FLOORLINE, "key", "rotate", "cs2cap", *arguments, "--config", str(bench.config)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=clean_env()
    ) as process:
        yield process


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
    bench: Bench, sandbox: Sandbox, ask: Ask, signals: list[signal.Signals]
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
    assert accepted(sandbox, ask, key_file(bench))


def test_it_asks_first_and_a_no_changes_nothing(bench: Bench, sandbox: Sandbox, ask: Ask) -> None:
    def answered(reply: str) -> tuple[int, str]:
        with rotating(bench) as process:
            err = process.communicate(reply, timeout=60)[1]
        return process.returncode, err

    for reply in ("n\n", ""):
        code, err = answered(reply)
        assert code == 1
        assert "all its sub-keys are revoked at once" in err
    assert sandbox.requests.to(REISSUE) == []
    assert answered("y\n")[0] == 0
    assert accepted(sandbox, ask, key_file(bench))


def test_a_key_that_was_changed_while_the_user_thought_is_not_overwritten(
    bench: Bench, sandbox: Sandbox
) -> None:
    other = "cs2c_live_sandbox_another_0000001"
    sandbox.key(other)
    with rotating(bench) as process:
        assert process.stdin
        assert process.stderr
        asked = ""
        while "Go on?" not in asked:
            asked += process.stderr.read(1)
        key_file(bench).write_text(other)
        _, err = process.communicate("y\n", timeout=60)
    assert process.returncode == 2
    assert "the key has changed since it was tried" in err
    assert (key_file(bench).read_text(), sandbox.requests.to(REISSUE)) == (other, [])


def test_two_at_once_send_one_request(bench: Bench, sandbox: Sandbox, ask: Ask) -> None:
    second: list[tuple[int, str]] = []

    def again() -> None:
        with rotating(bench, "--yes") as process:
            _, err = process.communicate(timeout=60)
        second.append((process.returncode, err.splitlines()[-1]))

    acting = during_the_call(sandbox, again, seconds=5)
    rotate(bench)
    acting.join()
    told = "floorline: cs2cap: a key is being changed by another process; nothing was done"
    assert second == [(2, told)]
    assert len(sandbox.requests.to(REISSUE)) == 1
    assert accepted(sandbox, ask, key_file(bench))


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder with the key on a disk that cannot be written to; skip where mounting is not allowed."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "none", str(folder)], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting needs root")
    (folder / "key").write_text(VALID_KEY)
    (folder / "key").chmod(0o600)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_found_out_before_the_call(bench: Bench, sandbox: Sandbox) -> None:
    bench.home.root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(bench.home.root)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        said = rotate(bench, code=2)
        assert "No space left on device; nothing was changed" in said.err
        assert (sandbox.requests.to(REISSUE), spares(bench)) == ([], [])
    finally:
        subprocess.run(["umount", "--lazy", str(bench.home.root)], check=True)


def test_a_store_that_cannot_be_written_is_found_out_before_the_call(
    tmp_path: Path, sandbox: Sandbox, ask: Ask, read_only: Path
) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(), source={"key": f"file:{read_only / 'key'}"})
    said = rotate(bench, code=2)
    assert re.search(r"no key can be stored: .*Read-only file system; nothing was changed", said.err)
    assert (sandbox.requests.to(REISSUE), spares(bench)) == ([], [])
    assert ask(sandbox, "/v1/fx").status_code == 200


def test_without_room_for_a_spare_nothing_is_asked(bench: Bench, sandbox: Sandbox) -> None:
    bench.home.root.mkdir()
    (bench.home.root / "keys").write_text("in the way")
    assert "File exists; nothing was changed" in rotate(bench, code=2).err
    assert sandbox.requests.to(REISSUE) == []


def test_a_key_that_is_refused_already_is_not_reissued(bench: Bench, sandbox: Sandbox) -> None:
    key_file(bench).write_text(REVOKED_KEY)
    assert "AUTH_API_KEY_REVOKED" in rotate(bench, code=4).err
    assert sandbox.requests.to(REISSUE) == []


def test_a_sub_key_is_not_reissued(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="quant")
    bench = Bench.at(tmp_path, box, basket())
    made = httpx.post(
        f"{box.url}/v1/account/sub-keys",
        headers={"Authorization": f"Bearer {VALID_KEY}"},
        json={"name": "bot"},
    )
    key_file(bench).write_text(made.json()["key"])
    assert "only the root key can be issued anew" in rotate(bench, code=2).err
    assert box.requests.to(REISSUE) == []


def test_an_unknown_source_is_a_usage_error(bench: Bench) -> None:
    assert (
        "no source is called other; the configuration has cs2cap" in rotate(bench, code=2, source="other").err
    )


def test_another_source_with_the_same_key_is_named(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, {"cs2cap": sandbox, "twin": sandbox}, basket())
    said = rotate(bench)
    assert f"the source twin: file:{bench.folder / 'twin.key'} had the same key" in said.out


def test_the_new_key_is_in_its_store_and_nowhere_else(bench: Bench) -> None:
    rotate(bench)
    new = key_file(bench).read_text().strip().encode()
    holding = [file for file in bench.folder.rglob("*") if file.is_file() and new in file.read_bytes()]
    assert holding == [key_file(bench)]

"""Work in a process of its own: in order, with its errors, and gone when its parent is."""

from __future__ import annotations

import asyncio
import operator
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from common.errors import RateLimited
from pipelines.snapshot.worker_process import WorkerDied, WorkerProcess
from tests.support.picklable import limited
from tests.support.waiting import wait_until

_T = TypeVar("_T")


def using(job: Callable[[WorkerProcess], Awaitable[_T]]) -> _T:
    """Do `job` with a process, and see it end."""

    async def main() -> _T:
        apart = WorkerProcess("pipelines.snapshot.page_writers")
        try:
            return await job(apart)
        finally:
            await apart.close()

    return asyncio.run(main())


def alive(pid: int) -> bool:
    """Whether a process still runs; one that nobody waited for yet does not."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_it_is_one_other_process_and_answers_in_the_order_of_the_calls() -> None:
    async def job(apart: WorkerProcess) -> tuple[list[int], list[int]]:
        ended: list[int] = []

        async def one(number: int) -> int:
            result: int = await apart.run(operator.mul, number, 2)
            ended.append(number)
            return result

        results = await asyncio.gather(*(one(number) for number in range(50)))
        pids = {await apart.run(os.getpid) for _ in range(3)}
        assert len(pids - {os.getpid()}) == 1
        return results, ended

    assert using(job) == ([number * 2 for number in range(50)], list(range(50)))


def test_what_the_work_raises_is_raised_here_and_the_next_call_goes_on() -> None:
    async def job(apart: WorkerProcess) -> RateLimited:
        with pytest.raises(ZeroDivisionError):
            await apart.run(operator.truediv, 1, 0)
        with pytest.raises(RateLimited) as caught:
            await apart.run(limited)
        assert await apart.run(operator.add, 1, 1) == 2
        return caught.value

    error = using(job)
    assert (error.detail, error.source, error.retry_after) == ("too fast", "cs2cap", 7.0)


def test_what_the_work_prints_is_no_answer() -> None:
    async def job(apart: WorkerProcess) -> int:
        await apart.run(os.system, "echo printed")
        return await apart.run(int, "4")

    assert using(job) == 4


def test_a_process_that_was_killed_is_said_to_be_dead() -> None:
    async def job(apart: WorkerProcess) -> None:
        pid = await apart.run(os.getpid)
        with pytest.raises(WorkerDied):
            await apart.run(os.kill, pid, signal.SIGKILL)
        with pytest.raises(WorkerDied):
            await apart.run(os.getpid)

    using(job)


def test_a_process_that_cannot_be_started_is_said_to_be_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))

    async def job(apart: WorkerProcess) -> None:
        for _ in range(2):
            with pytest.raises(WorkerDied, match="could not be started: No such file"):
                await apart.run(os.getpid)

    using(job)


def test_it_does_not_hear_the_signals_that_are_meant_for_the_parent() -> None:
    async def job(apart: WorkerProcess) -> int:
        pid = await apart.run(os.getpid)
        assert os.getsid(pid) != os.getsid(0)
        os.kill(pid, signal.SIGTERM)
        return await apart.run(int, "6")

    assert using(job) == 6


def test_it_ends_when_its_parent_was_killed() -> None:
    program = """if True:
        import asyncio, os
        from pipelines.snapshot.worker_process import WorkerProcess
        async def main():
            worker = WorkerProcess("pipelines.snapshot.page_writers")
            print(await worker.run(os.getpid), flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.kill()
    wait_until(lambda: not alive(child))


def test_a_folder_of_our_name_where_the_user_stands_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "__init__.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    assert using(lambda apart: apart.run(operator.add, 1, 2)) == 3

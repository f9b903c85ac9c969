"""The worker process: order of the calls, errors, signals, failed starts, and the end of its parent."""

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
from common.worker_process import WorkerDied
from pipelines.snapshot.async_worker import WorkerProcess
from tests.support.picklable import raise_rate_limited, raise_unpicklable
from tests.support.waiting import wait_until

_T = TypeVar("_T")
PAGE_WRITERS = "pipelines.snapshot.page_writers"


def run_with_worker(job: Callable[[WorkerProcess], Awaitable[_T]], module: str = PAGE_WRITERS) -> _T:
    """Run `job` with a worker process and wait for its end; fail where anything hangs."""

    async def main() -> _T:
        worker = WorkerProcess(module)
        async with asyncio.timeout(30):
            try:
                return await job(worker)
            finally:
                await worker.close()

    return asyncio.run(main())


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_one_process_answers_in_the_order_of_the_calls() -> None:
    async def job(worker: WorkerProcess) -> tuple[list[int], list[int]]:
        finished: list[int] = []

        async def call(number: int) -> int:
            result: int = await worker.run(operator.mul, number, 2)
            finished.append(number)
            return result

        results = await asyncio.gather(*(call(number) for number in range(50)))
        pids = {await worker.run(os.getpid) for _ in range(3)}
        assert len(pids - {os.getpid()}) == 1
        return results, finished

    assert run_with_worker(job) == ([number * 2 for number in range(50)], list(range(50)))


def test_error_is_raised_in_the_parent_and_the_next_call_succeeds() -> None:
    async def job(worker: WorkerProcess) -> RateLimited:
        with pytest.raises(ZeroDivisionError):
            await worker.run(operator.truediv, 1, 0)
        with pytest.raises(RateLimited) as caught:
            await worker.run(raise_rate_limited)
        assert await worker.run(operator.add, 1, 1) == 2
        return caught.value

    error = run_with_worker(job)
    assert (error.detail, error.source, error.retry_after) == ("too fast", "cs2cap", 7.0)


def test_error_that_cannot_be_unpickled_does_not_hang_the_parent() -> None:
    async def job(worker: WorkerProcess) -> int:
        with pytest.raises(TypeError, match="UnpicklableError"):
            await worker.run(raise_unpicklable)
        return await worker.run(operator.add, 1, 1)

    assert run_with_worker(job) == 2


def test_answer_to_a_cancelled_call_is_not_that_of_the_next_one() -> None:
    async def job(worker: WorkerProcess) -> int:
        cancelled = asyncio.create_task(worker.run(operator.add, 1, 1))
        await asyncio.sleep(0)  # it is sent
        cancelled.cancel()
        return await worker.run(operator.add, 2, 2)

    assert run_with_worker(job) == 4


def test_messages_may_be_larger_than_the_buffer_of_the_socket() -> None:
    async def job(worker: WorkerProcess) -> list[bytes]:
        return await asyncio.gather(*(worker.run(bytes.lower, b"A" * 10**7) for _ in range(3)))

    assert run_with_worker(job) == [b"a" * 10**7] * 3


def test_output_of_the_work_does_not_mix_with_results(capfd: pytest.CaptureFixture[str]) -> None:
    async def job(worker: WorkerProcess) -> int:
        await worker.run(os.system, "echo printed")
        return await worker.run(int, "4")

    assert run_with_worker(job) == 4
    assert capfd.readouterr() == ("", "printed\n")


def test_killed_worker_is_reported_to_every_call() -> None:
    async def job(worker: WorkerProcess) -> None:
        pid = await worker.run(os.getpid)
        with pytest.raises(WorkerDied, match="was killed"):
            await worker.run(os.kill, pid, signal.SIGKILL)
        with pytest.raises(WorkerDied, match="was killed"):
            await worker.run(os.getpid)

    run_with_worker(job)


def test_worker_that_hangs_is_ended_and_reported_to_every_call() -> None:
    """New: the parent used to wait for ever."""

    async def main() -> None:
        worker = WorkerProcess(PAGE_WRITERS)
        pid = await worker.run(os.getpid)
        worker._calls._limit = 0.5  # only now: a start may take longer
        for _ in range(2):
            with pytest.raises(WorkerDied, match="gave no answer in") as died:
                await worker.run(os.kill, pid, signal.SIGSTOP)
            assert died.value.exit_code == -signal.SIGKILL
        await worker.close()
        assert not is_alive(pid)

    asyncio.run(asyncio.wait_for(main(), 240))


def test_missing_executable_is_reported_to_every_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))

    async def job(worker: WorkerProcess) -> None:
        for _ in range(2):
            with pytest.raises(WorkerDied, match="could not be started: No such file"):
                await worker.run(os.getpid)

    run_with_worker(job)


def test_failed_import_is_reported_without_a_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    async def job(worker: WorkerProcess) -> None:
        worker.start()
        for _ in range(2):
            with pytest.raises(WorkerDied, match="could not be started: ModuleNotFoundError: No module"):
                await worker.run(os.getpid)

    run_with_worker(job, "no.such.module")
    assert capfd.readouterr() == ("", "")


def test_worker_that_ends_before_it_is_ready_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable = tmp_path / "python"
    executable.write_text("#!/bin/sh\nexit 7\n")
    executable.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(executable))

    async def job(worker: WorkerProcess) -> None:
        worker.start()
        for _ in range(2):
            with pytest.raises(WorkerDied, match="ended with exit code 7"):
                await worker.run(os.getpid)

    run_with_worker(job)


def test_worker_ignores_signals_for_the_parent() -> None:
    async def job(worker: WorkerProcess) -> int:
        pid = await worker.run(os.getpid)
        assert os.getsid(pid) != os.getsid(0)
        os.kill(pid, signal.SIGTERM)
        return await worker.run(int, "6")

    assert run_with_worker(job) == 6


def test_worker_starts_without_data_frames() -> None:
    modules: list[str] = run_with_worker(lambda worker: worker.run(eval, "[*__import__('sys').modules]"))
    assert PAGE_WRITERS in modules
    assert {"polars", "pyarrow", "prefect"}.isdisjoint(modules)


@pytest.mark.parametrize("seconds", [0, 60], ids=["idle", "busy"])
def test_worker_ends_when_its_parent_was_killed(seconds: int) -> None:
    work = f"print(os.getpid(), flush=True); time.sleep({seconds})"
    program = f"""if True:
        import asyncio
        from pipelines.snapshot.async_worker import WorkerProcess
        async def main():
            worker = WorkerProcess("pipelines.snapshot.page_writers")
            await worker.run(exec, "import os, time; {work}")
            await asyncio.sleep(60)
        asyncio.run(main())"""
    # What a worker prints goes to stderr.
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stderr is not None
        child = int(parent.stderr.readline())
        assert is_alive(child)
        parent.kill()
    wait_until(lambda: not is_alive(child))


def test_package_of_our_name_in_the_working_directory_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "__init__.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    assert run_with_worker(lambda worker: worker.run(operator.add, 1, 2)) == 3

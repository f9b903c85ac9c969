"""Watches through real loads: a snapshot raises, repeats and ends their alerts, and none of them stops it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from common.files import is_locked
from pipelines.config import Settings, WarehouseSettings, WatchSettings
from pipelines.loading import load_and_publish, load_before_exit, load_in_thread
from sandbox.core import Sandbox
from tests.support.clocks import VirtualClock
from tests.support.http_servers import webhook_receiver
from tests.support.snapshots import REDLINE, Bench
from tests.support.waiting import wait_until
from tests.support.watches import LONG, create_record, watch
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state

pytestmark = [pytest.mark.usefixtures("no_prefect"), pytest.mark.server]
PRICE = "SELECT price FROM best_ask WHERE item = ? AND currency = 'USD'"


def configure(bench: Bench, *watches: str) -> None:
    """Put these watches in the place of those of the configuration."""
    text = bench.config.read_text("utf-8").partition("[[watches]]")[0]
    bench.config.write_text(text + "".join(f"[[watches]]\n{watch}\n" for watch in watches), "utf-8")


@pytest.mark.slow
def test_alerts_follow_the_market_and_never_stop_a_run(bench: Bench, sandbox: Sandbox) -> None:
    with webhook_receiver() as webhook:
        bench.with_notify(webhook.url)
        bench.snapshot()
        ((price,),) = bench.query(PRICE, REDLINE)
        configure(
            bench,
            f'name = "cheap"\nitem = "{REDLINE}"\nbelow = {price}\nmessage = "Buy it"',
            f'name = "slow"\nquery = "{LONG}"\ntime_limit = "1s"',
            'name = "wrong"\nquery = "FROM quoted"\nseverity = "failure"',
        )
        ids = [
            int(item_id) for (item_id,) in bench.query("SELECT item_id FROM quotes WHERE item = ?", REDLINE)
        ]
        for factor in (0.5, 4.0):
            sandbox.move(factor=factor, provider="steam", item_ids=ids)
            sandbox.advance(600)
            (result,) = bench.snapshot()
            assert (result.state, result.exit_code) == ("done", 0)

        assert webhook.titles == [
            "[floorline] warning: watch.warning (cheap)",
            "[floorline] warning: watch.broken (slow)",
            "[floorline] warning: watch.broken (wrong)",
            "[floorline] success: watch.warning is over (cheap)",
        ]
        _, opened = webhook.received[0]
        (row,) = opened["rows"]
        assert (row["item"], row["provider"]) == (REDLINE, "steam")
        assert opened["run_id"] == bench.query("SELECT run_id FROM runs ORDER BY started_at")[1][0]
        assert opened["message"].splitlines()[0] == "Buy it (1 row)"
        assert "its time limit" in webhook.received[1][1]["reason"]

        configure(bench)
        bench.snapshot()
        assert bench.alerts() == []


ANY = watch("any", query="FROM quotes")


def watched(folder: Path, *watches: WatchSettings) -> Settings:
    """Return a configuration with these watches, and a record."""
    create_record(folder / "data")
    return Settings(base=folder, watches=watches)


def open_subjects(settings: Settings) -> list[str]:
    alerts = AlertStore(open_state(settings.paths)).list_alerts(open_only=True)
    return [alert.subject for alert in reversed(alerts)]


@pytest.mark.slow
def test_a_run_that_is_cancelled_runs_no_watch(tmp_path: Path) -> None:
    settings = watched(tmp_path, ANY)

    async def cancel() -> None:
        load_before_exit(settings, VirtualClock())

    asyncio.run(cancel())
    assert open_subjects(settings) == []
    load_and_publish(settings, [], VirtualClock())
    assert open_subjects(settings) == ["any"]


@pytest.mark.slow
def test_a_caller_that_is_cancelled_ends_the_watch_that_runs(tmp_path: Path) -> None:
    settings = watched(tmp_path, ANY, watch("slow", query=LONG, time_limit="1h"))
    lock = settings.paths.watch_lock

    async def cancel() -> None:
        load = asyncio.create_task(load_in_thread(settings, [], VirtualClock()))
        await asyncio.to_thread(wait_until, lambda: is_locked(lock))
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load

    asyncio.run(cancel())  # which waits for the thread
    assert (open_subjects(settings), is_locked(lock)) == ([], False)


def test_watches_of_two_processes_take_turns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = watched(tmp_path, ANY)
    settings = settings.model_copy(update={"warehouse": WarehouseSettings(lock_wait=timedelta())})
    paths = settings.paths
    with FileLock(paths.watch_lock):
        load_and_publish(settings, [], VirtualClock())
    assert "another process has been running them for long" in caplog.text
    assert open_subjects(settings) == []

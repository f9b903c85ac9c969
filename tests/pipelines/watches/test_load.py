"""Watches through real loads: a snapshot raises, repeats and ends their alerts, and none of them stops it."""

from __future__ import annotations

import asyncio

import pytest

from pipelines.loading import load_and_publish, load_before_exit
from sandbox.core import Sandbox
from tests.support.clocks import VirtualClock
from tests.support.http_servers import webhook_receiver
from tests.support.snapshots import REDLINE, Bench
from tests.support.watches import LONG

pytestmark = [pytest.mark.usefixtures("no_prefect"), pytest.mark.slow]
PRICE = "SELECT price FROM best_ask WHERE item = ? AND currency = 'USD'"


def configure(bench: Bench, *watches: str) -> None:
    """Put these watches in the place of those of the configuration."""
    text = bench.config.read_text("utf-8").partition("[[watches]]")[0]
    bench.config.write_text(text + "".join(f"[[watches]]\n{watch}\n" for watch in watches), "utf-8")


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


def test_a_run_that_is_cancelled_runs_no_watch(bench: Bench) -> None:
    bench.snapshot()
    configure(bench, 'name = "any"\nquery = "FROM quotes"')

    async def cancel() -> None:
        load_before_exit(bench.settings, VirtualClock())

    asyncio.run(cancel())
    assert bench.alerts() == []
    asyncio.run(asyncio.to_thread(load_and_publish, bench.settings, [], VirtualClock()))
    assert [alert.subject for alert in bench.alerts()] == ["any"]

"""A key that is revoked under `floorline up`: told at once, sent no more, and over with the next key."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import serve
from tests.support.http_servers import WebhookReceiver, webhook_receiver
from tests.support.snapshots import Bench, basket
from tests.support.up import operation
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up")]
PLANTED = "cs2c_live_planted_7c1e90b5d3f2a648"


def test_a_revoked_key_is_told_at_once_sent_no_more_and_over_with_the_next(tmp_path: Path) -> None:
    small = Options(items=300, refresh=0, limits=False)
    with serve(small) as one, serve(small) as two, webhook_receiver() as told:
        one.key(PLANTED)
        bench = Bench.at(
            tmp_path,
            {"one": one, "two": two},
            basket("first", source="one", every="15s"),
            basket("second", source="two", every="15s"),
        )
        (bench.folder / "one.key").write_text(PLANTED)
        with operation(bench.telling(told.url)) as up:
            wait_until(
                lambda: up.runs("first", "COMPLETED") and up.runs("second", "COMPLETED"), 180, every=0.5
            )
            one.key(PLANTED, "revoked")
            wait_until(lambda: about(told, "auth.failed"), 180, every=0.5)
            refused = next(entry for entry in one.requests.since(0) if entry.status == 401)
            ((moment, title),) = about(told, "auth.failed")
            assert title == "[floorline] auth.failed: one"
            assert moment - refused.t < 3

            asked, others = len(one.requests.since(0)), len(two.requests.since(0))
            failed = len(up.runs("first", "FAILED"))
            wait_until(lambda: len(up.runs("first", "FAILED")) >= failed + 2, 180, every=0.5)
            assert len(one.requests.since(0)) == asked
            wait_until(lambda: len(two.requests.since(0)) > others, 180, every=0.5)

            good = len(up.runs("first", "COMPLETED"))
            (bench.folder / "one.key").write_text(VALID_KEY)
            wait_until(lambda: len(up.runs("first", "COMPLETED")) >= good + 2, 180, every=0.5)
            (_, (_, over)) = about(told, "auth.failed")  # one message each, however many runs
            assert over == "[floorline] auth.failed is over: one"
            assert "auth.failed" not in [alert.cause for alert in bench.alerts()]
            assert PLANTED not in "".join(_command_lines())
        time.sleep(0.5)
        for path in bench.folder.rglob("*"):
            assert not path.is_file() or PLANTED.encode() not in path.read_bytes(), path


def about(told: WebhookReceiver, cause: str) -> list[tuple[float, str]]:
    """When what was told of this cause. With intervals this short, silence may be told of as well."""
    titled = ((moment, str(content["title"])) for moment, content in told.received)
    return [(moment, title) for moment, title in titled if cause in title]


def _command_lines() -> list[str]:
    """What every process of this machine was started with."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return found

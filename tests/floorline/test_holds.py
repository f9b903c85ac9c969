"""While a source asks to send nothing, no command sends anything to it, and each says until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from common.clock import SystemClock
from connectors.http.auth import Key
from connectors.ratelimit.ledger import RequestLedger
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.doctor import findings_by_name
from tests.support.snapshots import Bench, main_with
from warehouse.state.database import open_state

pytestmark = pytest.mark.usefixtures("no_prefect")


@pytest.fixture
def until(bench: Bench, sandbox: Sandbox) -> str:
    """Hold the key for an hour; return the end of the hold as messages show it."""
    bench.snapshot()
    end = datetime.now(UTC) + timedelta(hours=1)
    ledger = RequestLedger(open_state(bench.paths), Key(VALID_KEY).fingerprint, "cs2cap")
    ledger.hold(end, at=datetime.now(UTC))
    ledger.close()
    sandbox.requests.clear()
    return f"{end:%Y-%m-%d %H:%M} UTC"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("doctor",), 0),  # new: one request
        (("key", "rotate", "cs2cap", "--yes"), 3),  # new: a reissue
        (("key", "status"), 4),  # a guard
        (("snapshot",), 3),  # a guard
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_held_source_gets_no_request(
    bench: Bench, sandbox: Sandbox, until: str, command: tuple[str, ...], code: int
) -> None:
    output = main_with(*command, "--config", str(bench.config))
    assert until in output.out + output.err
    assert sandbox.requests.since(0) == []
    assert output.code == code, output


def test_doctor_warns_and_tests_the_key_again_later(bench: Bench, sandbox: Sandbox, until: str) -> None:
    held = findings_by_name(bench.config, SystemClock())
    assert [held[f"cs2cap {name}"].verdict for name in ("address", "key")] == ["warn", "warn"]
    assert until in held["cs2cap key"].seen
    (bench.folder / "cs2cap.key").write_text("another_key_of_this_account")
    assert findings_by_name(bench.config, SystemClock())["cs2cap key"].verdict == "fail", (
        "another key is not held"
    )

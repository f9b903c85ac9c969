"""A key that the source rejects, on machines that share their state."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.postgres import Postgres, needs_postgres
from tests.support.snapshots import Bench, basket

NEXT_KEY = "cs2c_live_sandbox_next_000000009"


@needs_postgres
@pytest.mark.server
def test_key_that_one_machine_found_revoked_is_sent_by_no_other(
    sandbox: Sandbox, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOORLINE_DATABASE_URL", postgres.create_database())
    machines = [Bench.at(tmp_path / name, sandbox, basket()) for name in ("one", "other")]
    for machine in machines:
        shared = (
            f'database = "env:FLOORLINE_DATABASE_URL"\nstorage = "file://{tmp_path}/shared"\nload = false'
        )
        machine.config.write_text(f"[shared]\n{shared}\n{machine.config.read_text()}")
    one, other = machines
    sandbox.key(VALID_KEY, "revoked")
    assert [run.state for run in one.snapshot()] == ["auth_failed"]
    asked = len(sandbox.requests.since(0))
    for _ in range(2):
        assert [run.state for run in other.snapshot()] == ["auth_failed"]
    assert len(sandbox.requests.since(0)) == asked
    (alert,) = one.alerts()
    assert (alert.cause, alert.repeats) == ("auth.failed", 2)
    assert other.alerts() == [alert]
    sandbox.key(NEXT_KEY)
    (other.folder / "cs2cap.key").write_text(NEXT_KEY)
    assert [run.state for run in other.snapshot()] == ["done"]
    assert len(sandbox.requests.since(0)) > asked
    for machine in machines:
        assert not (machine.paths.root / "state.db").exists()

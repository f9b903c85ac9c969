"""The doctor's check of the database that machines share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from floorline.doctor.check_shared import check_shared_database
from floorline.doctor.findings import Finding
from tests.support.postgres import PASSWORD, Postgres, needs_postgres
from tests.support.states import share

pytestmark = [needs_postgres, pytest.mark.server]


def check(folder: Path, url: str, ahead: timedelta = timedelta()) -> Finding:
    """Return the finding on a machine whose clock is ahead of the server's."""
    (finding,) = check_shared_database(share(folder, url), datetime.now(UTC) + ahead)
    return finding


def test_server_with_the_same_clock_is_named(postgres: Postgres, tmp_path: Path) -> None:
    finding = check(tmp_path, postgres.create_database())
    assert finding.verdict in {"ok", "warn"}  # a busy machine may be far from its own server
    assert "and its clock is that of this machine" in finding.seen


@pytest.mark.parametrize(
    ("ahead", "clock"), [(timedelta(minutes=10), "10m behind"), (timedelta(hours=-1), "1h ahead")]
)
def test_clock_that_is_wrong_is_a_warning(
    postgres: Postgres, tmp_path: Path, ahead: timedelta, clock: str
) -> None:
    finding = check(tmp_path, postgres.create_database(), ahead)
    assert (finding.verdict, finding.advice) == (
        "warn",
        "set the clocks of this machine and of the server by NTP",
    )
    assert clock in finding.seen


def test_server_that_refuses_is_a_failure_without_the_password(postgres: Postgres, tmp_path: Path) -> None:
    finding = check(tmp_path, postgres.url("none"))
    assert finding.verdict == "fail"
    assert "does not accept the user, the password or the name" in finding.seen
    assert "correct [shared] database" in finding.advice
    assert PASSWORD not in f"{finding}"


def test_one_machine_has_nothing_to_check(tmp_path: Path) -> None:
    assert check_shared_database(share(tmp_path, None), datetime.now(UTC)) == []

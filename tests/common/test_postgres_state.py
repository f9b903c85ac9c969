"""The state in PostgreSQL: its schema, its errors, and a server that is restarted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import psycopg
import pytest

from common.errors import FloorlineError
from common.postgres_schema import MIGRATIONS
from common.postgres_state import PostgresState
from common.warehouse_errors import SharedDatabaseUnreachable, WarehouseLocked, WarehouseUnusable
from connectors.ratelimit.ledger import RequestLedger
from floorline.failures import exit_code
from tests.support.clocks import NOON
from tests.support.postgres import PASSWORD, USER, Postgres, needs_postgres, running_postgres
from tests.support.postgres_relay import pooler_before
from tests.support.states import Address
from tests.support.waiting import wait_until

pytestmark = [needs_postgres, pytest.mark.server]
RIVAL = "INSERT INTO missed_tick VALUES ('core', ?, 'skipped', 'late')"


@pytest.fixture
def url(postgres: Postgres) -> str:
    """Return the address of a new database."""
    return postgres.create_database()


def run_sql(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        for statement in statements:
            db.execute(statement.encode())


def weak_user(url: str) -> str:
    """Return the address of the database for a user who may create nothing in it."""
    run_sql(
        url,
        f"DO $$ BEGIN CREATE ROLE weak LOGIN PASSWORD '{PASSWORD}';"
        " EXCEPTION WHEN duplicate_object THEN END $$",  # of another test
        f"REVOKE CREATE ON DATABASE {urlsplit(url).path[1:]} FROM PUBLIC",
    )
    return url.replace(f"//{USER}:", "//weak:")


def read_only(url: str) -> str:
    run_sql(url, f"ALTER DATABASE {urlsplit(url).path[1:]} SET default_transaction_read_only = on")
    return url


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda url: url.replace(PASSWORD, "planted-wrong"), "does not accept the user, the password or"),
        (lambda url: url + "_none", "does not accept the user, the password or the name"),
        (lambda url: url.replace(f":{urlsplit(url).port}/", ":1/"), "cannot be reached"),
        (weak_user, "cannot be used: its user has too few rights there"),
        (read_only, "cannot be used: it is read-only"),
    ],
    ids=["password", "name", "server", "rights", "read-only"],
)
def test_error_says_what_to_do_and_shows_no_secret(
    url: str, change: Callable[[str], str], message: str
) -> None:
    changed = change(url)
    with pytest.raises(FloorlineError) as caught:
        PostgresState(Address(changed)).create()
    error, parts = caught.value, urlsplit(changed)
    assert f"the shared database {parts.path[1:]} at 127.0.0.1:{parts.port} {message}" in str(error)
    assert "[shared] database" in str(error)
    assert exit_code(error) == 6
    assert error.__suppress_context__
    for secret in ("planted", "floorline:", "weak:", "FATAL", "psycopg", "connection to server"):
        assert secret not in f"{error}{error!r}"


def test_newer_schema_is_refused(url: str) -> None:
    PostgresState(Address(url)).create()
    run_sql(url, f"INSERT INTO floorline.state_version VALUES ({len(MIGRATIONS) + 1})")
    with pytest.raises(WarehouseUnusable, match="this Floorline knows"):
        PostgresState(Address(url)).create()


def test_user_of_an_existing_schema_needs_no_right_to_create_it(url: str) -> None:
    weak = weak_user(url)
    PostgresState(Address(url)).create()
    run_sql(
        url,
        "GRANT USAGE ON SCHEMA floorline TO weak",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA floorline TO weak",
    )
    with PostgresState(Address(weak)).transaction() as db:
        db.execute(RIVAL, ("2026-06-01",))


def test_machines_that_begin_together_create_one_schema(url: str) -> None:
    failures: list[FloorlineError] = []

    def begin() -> None:
        try:
            PostgresState(Address(url)).create()
        except FloorlineError as error:
            failures.append(error)

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    with PostgresState(Address(url)).read() as db:
        assert [tuple(row) for row in db.execute("SELECT version FROM state_version")] == [
            (number,) for number in range(1, len(MIGRATIONS) + 1)
        ]


def test_pooler_is_refused(postgres: Postgres, url: str) -> None:
    PostgresState(Address(url)).create()
    with pooler_before(postgres.port) as port:
        pooled = url.replace(f":{postgres.port}/", f":{port}/")
        with pytest.raises(FloorlineError, match="is behind a connection pooler, which loses locks"):
            PostgresState(Address(pooled)).create()


def test_failed_transaction_changes_nothing(url: str) -> None:
    state = PostgresState(Address(url))
    with pytest.raises(RuntimeError), state.transaction() as db:  # noqa: PT012
        db.execute(RIVAL, ("2026-06-01",))
        raise RuntimeError
    with state.read("missed_tick") as db:
        assert db.execute("SELECT * FROM missed_tick").fetchall() == []


def test_connections_end_with_the_state(url: str) -> None:
    """A process opens the state anew for each of its tasks: the server would run out of connections."""
    state = PostgresState(Address(url))
    with state.read("alert"), state.transaction():
        pass
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    with psycopg.connect(url, autocommit=True) as db:
        assert db.execute(query).fetchall() == [(3,)]
        del state
        wait_until(lambda: db.execute(query).fetchall() == [(1,)])


def test_locked_key_is_busy_and_another_key_is_free(url: str) -> None:
    state = PostgresState(Address(url))
    for key in ("f00d", "beef"):
        RequestLedger(state, key, "cs2cap").close()
    one, other = state.open_session(), state.open_session()
    with one.transaction(1, "f00d"):
        with other.transaction(1, "beef"):
            pass
        with pytest.raises(WarehouseLocked), other.transaction(0.05, "f00d"):
            pass
    with other.transaction(0.05, "f00d"):
        pass


@pytest.mark.slow
def test_restarted_server_ends_what_ran_and_takes_what_follows() -> None:
    with running_postgres() as server:
        state = PostgresState(Address(server.create_database()))
        ledger = RequestLedger(state, "f00d", "cs2cap")
        ledger.set_rate(1)
        with pytest.raises(SharedDatabaseUnreachable) as caught, state.transaction() as db:  # noqa: PT012
            db.execute(RIVAL, ("2026-06-01",))
            server.stop()
            db.execute(RIVAL, ("2026-06-02",))
        assert exit_code(caught.value) == 6
        admit = {"metered": True, "lease": 90.0, "at": NOON}
        assert ledger.acquire(0, 1, now=0.0, **admit).wait > 0  # type: ignore[operator, arg-type]
        server.start()
        assert ledger.acquire(0, 1, now=1.0, **admit).wait == 0  # type: ignore[arg-type]
        assert ledger.acquire(0, 1, now=1.0, **admit).wait > 0  # type: ignore[operator, arg-type]
        with state.transaction() as db:
            assert db.execute("SELECT * FROM missed_tick").fetchall() == []
        ledger.close()

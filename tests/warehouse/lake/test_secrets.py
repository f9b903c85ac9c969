"""No error and no query shows the password of the catalog or the key of the object store."""

import functools
from pathlib import Path

import pytest

from common.warehouse_errors import LakeUnreachable, NotPublished, QueryRejected, WarehouseUnusable
from tests.support.lakes import create_lake, postgres_lake
from tests.support.object_store import SECRET_KEY, ObjectStore
from tests.support.postgres import PASSWORD, Postgres, needs_postgres
from tests.support.up import free_port
from warehouse.database import open_reader, open_writer
from warehouse.lake.location import KEYS, locate_lake
from warehouse.queries.session import query_results
from warehouse.shared import SharedLocation

SETTINGS = "SELECT value FROM duckdb_settings() WHERE value IS NOT NULL"
SECRETS = "SELECT secret_string FROM duckdb_secrets()"
DATABASES = "SELECT path FROM duckdb_databases() WHERE path IS NOT NULL"


def test_unreachable_database_is_named_without_password(tmp_path: Path) -> None:
    url = f"postgresql://me:{PASSWORD}@127.0.0.1:{free_port()}/nothing?connect_timeout=5"
    lake = postgres_lake(url, tmp_path.as_uri(), tmp_path)
    assert PASSWORD not in repr(lake) + str(lake)
    with pytest.raises(LakeUnreachable, match="Connection refused") as caught, open_writer(lake):
        pass
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_s3_needs_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    shared = SharedLocation(functools.partial(str, "postgresql://me@127.0.0.1/x"), "s3://bucket/market")
    lake = locate_lake(shared, tmp_path)
    assert lake.files == "s3://bucket/market/lake/"
    with pytest.raises(WarehouseUnusable, match="set AWS_ACCESS_KEY_ID"), open_writer(lake):
        pass


@pytest.mark.parametrize(
    "sql",
    [
        "FROM postgres_scan('host=127.0.0.1 port=1', 'public', 'x')",
        "FROM postgres_query('__ducklake_metadata_market', 'SELECT 1')",
        "FROM query('FROM postgr' || 'es_scan(''host=127.0.0.1'', ''a'', ''b'')')",
        "CALL ducklake_cleanup_old_files('market', cleanup_all => true)",
        "COPY (SELECT 1) TO 'x.csv'",
        "FROM read_csv('/etc/hostname')",
        "ATTACH 'other.duckdb'",
        "SET threads = 1",
    ],
)
def test_a_query_reaches_nothing_but_the_lake(tmp_path: Path, sql: str) -> None:
    lake = create_lake(tmp_path / "lake")
    with pytest.raises(QueryRejected, match="only reads"), query_results(lake, sql) as results:
        [result.relation.fetchall() for result in results]


def test_a_query_reads_the_views_of_a_lake(tmp_path: Path) -> None:
    with query_results(create_lake(tmp_path / "lake"), "SELECT count(*) FROM quotes") as results:
        assert [result.relation.fetchall() for result in results] == [[(0,)]]


@needs_postgres
@pytest.mark.server
@pytest.mark.slow
def test_no_query_shows_a_secret(
    tmp_path: Path, postgres: Postgres, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    url = postgres.create_database()
    lake = postgres_lake(url, object_store.create_bucket(), tmp_path, object_store.endpoint)
    with pytest.raises(NotPublished, match="nothing was loaded yet into the lake"), open_reader(lake):
        pass
    with open_writer(lake):
        pass
    shown = ""
    for sql in (SETTINGS, SECRETS, DATABASES):
        with query_results(lake, sql) as results:
            shown += str([result.relation.fetchall() for result in results])
    assert "postgres:" in shown  # the address of the catalog
    assert PASSWORD not in shown
    assert SECRET_KEY not in shown

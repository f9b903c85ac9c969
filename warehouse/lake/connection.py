"""Attach a lake to a connection of DuckDB, and say in one line what went wrong, without a secret."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import duckdb

from common.errors import FloorlineError
from common.machine_errors import ResourceExhausted, UnexpectedFailure
from common.shortages import LACK, is_shortage, name_place
from common.sql_text import quote_text
from common.text import sanitize
from common.warehouse_errors import LakeUnreachable, NotPublished, WarehouseFull, WarehouseUnusable
from warehouse.lake.extensions import DUCKLAKE, HTTPFS, POSTGRES, SETTINGS, load_extensions
from warehouse.lake.location import KEYS, Catalog, LakeLocation, create_secrets

NAME: Final = "market"  # the database's name in SQL, as that of the file
METADATA: Final = f"__ducklake_metadata_{NAME}"
# A load has one table at a time in memory, and writes Parquet: a writer of a file needs less.
MEMORY: Final = "1GB"
# DuckLake tries a commit again when another one was faster; its own limit is 10.
RETRIES: Final = 100
# DuckLake reads in PostgreSQL's messages, in English, whether it may try again.
SELECT_LANGUAGE: Final = "SELECT * FROM postgres_query(?, 'SELECT current_setting(''lc_messages'')')"
ENGLISH: Final = ("c", "posix", "en")
LANGUAGE_ADVICE: Final = (
    "add ?options=-c%20lc_messages%3DC to the address of the database, or set lc_messages of its user to C"
)
# DuckLake asks PostgreSQL for what this optimizer wants to know.
DISABLED_OPTIMIZER: Final = "statistics_propagation"
# What libpq says of a connection; before it, DuckDB repeats the whole address.
REFUSED: Final = re.compile(r"connection to server at .+ failed: (?:FATAL: +)?(?P<reason>.+)")
# What DuckDB cannot do with a query: this says nothing of the lake.
NO_FAULT: Final = (
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.BinderException,
    duckdb.NotSupportedError,
    duckdb.InterruptException,
    duckdb.PermissionException,
)


@contextlib.contextmanager
def attach_lake(lake: LakeLocation, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection whose database in use is the lake, in the time zone UTC.

    Errors of DuckDB in the block are errors of the lake. Raises LakeUnreachable, NotPublished where there is
    no lake and `read_only` makes none, WarehouseFull, WarehouseUnusable and ResourceExhausted.
    """
    catalog = lake.read_catalog()
    with translate_lake_errors(lake, catalog), duckdb.connect(config=dict(SETTINGS)) as db:
        _attach(db, lake, catalog, ["READ_ONLY"] if read_only else [f"DATA_PATH {quote_text(lake.files)}"])
        if catalog.is_postgres and not read_only:
            _require_english(db, lake)
        yield db


def connect_snapshot(lake: LakeLocation, snapshot: int | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection that reads the lake as of a snapshot, or as it is; close it.

    Later errors of DuckDB are DuckDB's. Raises as `attach_lake`.
    """
    catalog = lake.read_catalog()
    options = ["READ_ONLY"] if snapshot is None else ["READ_ONLY", f"SNAPSHOT_VERSION {snapshot}"]
    with translate_lake_errors(lake, catalog), contextlib.ExitStack() as on_error:
        db = on_error.enter_context(duckdb.connect(config=dict(SETTINGS)))
        _attach(db, lake, catalog, options)
        on_error.pop_all()
        return db


@contextlib.contextmanager
def plain_reads(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Do not ask the catalog for the statistics of the tables in the block, whose queries join none.

    The order of joins needs them. Of a table that never had rows, DuckLake would ask again for every column.
    An error in the block is one of the catalog: the connection is closed.
    """
    db.execute(f"SET disabled_optimizers = '{DISABLED_OPTIMIZER},join_order'")
    yield
    db.execute(f"SET disabled_optimizers = '{DISABLED_OPTIMIZER}'")


def _attach(
    db: duckdb.DuckDBPyConnection, lake: LakeLocation, catalog: Catalog, options: Sequence[str]
) -> None:
    load_extensions(db, _list_extensions(lake, catalog))
    for setting, value in (
        ("TimeZone", "UTC"),
        ("python_enable_replacements", False),
        ("disabled_optimizers", DISABLED_OPTIMIZER),
        ("memory_limit", MEMORY),
        ("temp_directory", str(lake.spill)),
        ("ducklake_max_retry_count", RETRIES),
        ("ducklake_retry_backoff", 1),  # its own factor of 1.5 would let the last tries wait for years
    ):
        db.execute(f"SET {setting} = {quote_text(str(value))}")
    for secret in create_secrets(lake, catalog):
        db.execute(secret)
    if lake.is_remote:  # httpfs reads the environment into settings, which any query can show
        for setting in ("s3_access_key_id", "s3_secret_access_key", "s3_session_token"):
            db.execute(f"SET {setting} = ''")
    if catalog.is_postgres:
        options = [*options, "META_SECRET 'lake_catalog'"]
    db.execute(f"ATTACH {quote_text('ducklake:' + catalog.address)} AS {NAME} ({', '.join(options)})")
    db.execute(f"USE {NAME}")


def _list_extensions(lake: LakeLocation, catalog: Catalog) -> Iterator[str]:
    yield DUCKLAKE
    if catalog.is_postgres:
        yield POSTGRES
    if lake.is_remote:
        yield HTTPFS


def _require_english(db: duckdb.DuckDBPyConnection, lake: LakeLocation) -> None:
    ((language,),) = db.execute(SELECT_LANGUAGE, [METADATA]).fetchall()
    if not language.lower().startswith(ENGLISH):
        raise WarehouseUnusable(
            f"the database of {lake} writes its messages in {language}, and DuckLake reads them in English:"
            f" {LANGUAGE_ADVICE}"
        )


@contextlib.contextmanager
def translate_lake_errors(lake: LakeLocation, catalog: Catalog) -> Iterator[None]:
    """Raise an error of ours for every error of DuckDB. No secret is in its text, nor in its cause."""
    try:
        yield
    except duckdb.Error as error:
        raise _translate(error, lake, find_secrets(catalog)) from None


def _translate(error: duckdb.Error, lake: LakeLocation, secrets: Collection[str]) -> FloorlineError:
    text = redact(str(error), secrets)
    if "Existing DuckLake at metadata catalog" in text and "does not exist" in text:
        return NotPublished(f"nothing was loaded yet into {lake}")
    if "No space left on device" in text or "max_temp_directory_size" in text:
        return WarehouseFull(f"no space left on the disk of {lake.spill}", lake.spill)
    if is_shortage(error):
        return ResourceExhausted(f"{LACK} for {lake}")
    if isinstance(error, NO_FAULT):
        return UnexpectedFailure(name_place(error))
    if (refused := REFUSED.search(text)) is not None:
        return LakeUnreachable(f"the database of {lake} cannot be used: {sanitize(refused['reason'])}")
    return LakeUnreachable(f"{lake} cannot be used: {sanitize(text, 400)}")


def find_secrets(catalog: Catalog) -> list[str]:
    """Return what no text may show: the password of the catalog, and the keys of the object store."""
    secrets = (catalog.password, *(os.environ.get(name) for name in (KEYS[1], "AWS_SESSION_TOKEN")))
    return [secret for secret in secrets if secret]


def redact(text: str, secrets: Collection[str]) -> str:
    """Return a text with each secret hidden."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text

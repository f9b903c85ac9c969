"""Where a lake is: its catalog, the folder or bucket of its files, and the credentials of both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from common.sql_text import quote_text
from common.warehouse_errors import WarehouseUnusable
from warehouse.shared import SharedLocation

FOLDER: Final = "lake"  # of the lake's files below the storage; the landings lie beside it
KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True, slots=True)
class Catalog:
    """The database with a lake's catalog: the address that DuckLake attaches, and the password for it."""

    address: str
    password: str | None = field(default=None, repr=False)

    @property
    def is_postgres(self) -> bool:
        """Whether the catalog is in PostgreSQL."""
        return self.address.startswith("postgres:")


@dataclass(frozen=True, slots=True)
class LakeLocation:
    """A lake. `read_catalog` is called where a connection begins: only what it returns has the password.

    `files` is the folder or `s3://` address of the Parquet files, `endpoint` that of an S3 server other than
    Amazon's. DuckDB may write what does not fit into the memory into the folder `spill`.
    """

    read_catalog: Callable[[], Catalog] = field(repr=False)
    files: str
    spill: Path
    endpoint: str | None = None

    @property
    def is_remote(self) -> bool:
        """Whether the files are objects of an S3 server."""
        return self.files.startswith("s3://")

    def __str__(self) -> str:
        return f"the lake at {self.files}"


def locate_lake(shared: SharedLocation, spill: Path) -> LakeLocation:
    """Return where the lake of a shared warehouse is."""
    return LakeLocation(
        partial(read_catalog, shared.read_database_url), _find_files(shared.storage), spill, shared.endpoint
    )


def read_catalog(read_database_url: Callable[[], str]) -> Catalog:
    """Return the catalog in a PostgreSQL database; its address has no password, because errors show it."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo  # only a shared warehouse needs them

    from common.postgres import CLIENT_PARAMETERS, SERVER_SETTINGS

    values = {name: str(value) for name, value in conninfo_to_dict(read_database_url()).items()}
    password = values.pop("password", None)
    # A machine that is cut off in a commit locks the catalog until the server notices that it is gone.
    settings = [f"-c {name}={value}" for name, value in SERVER_SETTINGS.items()]
    options = {"application_name": "floorline", "options": " ".join([*settings, values.pop("options", "")])}
    return Catalog(f"postgres:{make_conninfo(**{**CLIENT_PARAMETERS, **values, **options})}", password)


def _find_files(storage: str) -> str:
    address = urlsplit(storage)
    root = unquote(address.path) if address.scheme == "file" else storage
    return f"{root.rstrip('/')}/{FOLDER}/"


def create_secrets(lake: LakeLocation, catalog: Catalog) -> Iterator[str]:
    """Yield the statements that give DuckDB the credentials of a lake. Raises WarehouseUnusable."""
    if catalog.is_postgres:
        password = f", PASSWORD {quote_text(catalog.password)}" if catalog.password is not None else ""
        yield f"CREATE SECRET lake_catalog (TYPE postgres{password})"
    if lake.is_remote:
        yield f"CREATE SECRET lake_files ({', '.join(_s3_parameters(lake))})"


def _s3_parameters(lake: LakeLocation) -> Iterator[str]:
    key, secret = (os.environ.get(name) for name in KEYS)
    if not key or not secret:
        raise WarehouseUnusable(f"{lake} needs credentials: set {' and '.join(KEYS)} in the environment")
    yield "TYPE s3"
    yield f"KEY_ID {quote_text(key)}"
    yield f"SECRET {quote_text(secret)}"
    if token := os.environ.get("AWS_SESSION_TOKEN"):
        yield f"SESSION_TOKEN {quote_text(token)}"
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        yield f"REGION {quote_text(region)}"
    if lake.endpoint:
        address = urlsplit(lake.endpoint)
        yield f"ENDPOINT {quote_text(address.netloc + address.path.rstrip('/'))}"
        yield "URL_STYLE 'path'"
        yield f"USE_SSL {'true' if address.scheme == 'https' else 'false'}"

"""The table [shared]: the database and the storage that several machines share."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from common.addresses import is_http
from common.errors import ConfigError, KeyInvalid, KeyMissing
from common.files import expand_home
from pipelines.config.fields import VARIABLE, Table
from pipelines.config.secrets import has_form_of_key, has_password
from warehouse.shared import SharedLocation

POSTGRES: Final = frozenset({"postgresql", "postgres"})
PLACES: Final = frozenset({"env", "file", "block"})
BUCKET: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/[^\s?#]*)?")


def _check_database(place: str) -> str:
    kind, _, where = place.partition(":")
    if kind in POSTGRES and not has_password(place) and _is_database(place):
        return place
    is_place = VARIABLE.fullmatch(where) if kind == "env" else kind in PLACES and where.strip()
    if not is_place or has_form_of_key(where):
        raise ValueError(
            "must say where the address of a PostgreSQL database is, as env:VARIABLE, file:PATH or"
            " block:NAME; only an address without a password may be here itself"
        )
    return place


def _check_storage(address: str) -> str:
    plain = address.strip().rstrip("/")
    folder = plain.removeprefix("file://")
    is_folder = folder != plain and PurePosixPath(folder).is_absolute() and "\0" not in folder
    if not is_folder and not BUCKET.fullmatch(plain):
        raise ValueError('must be a bucket or a folder: write "s3://BUCKET/PREFIX" or "file:///FOLDER"')
    return plain


def _check_endpoint(address: str) -> str:
    if not is_http(address) or "@" in address or urlsplit(address).query:
        raise ValueError("must be the address of an S3 server, such as https://HOST:PORT, without a user")
    return address.rstrip("/")


class SharedSettings(Table):
    """What several machines share: a PostgreSQL database, and a bucket or a folder. No table: one machine."""

    database: Annotated[str, AfterValidator(_check_database)] = Field(
        description="Where the address of the PostgreSQL database is (postgresql://USER:PASSWORD@HOST/NAME):"
        " env:VARIABLE, file:PATH (mode 0600) or block:NAME (a Prefect Secret block); an address without a"
        " password may be here itself",
        examples=["env:FLOORLINE_DATABASE_URL"],
    )
    storage: Annotated[str, AfterValidator(_check_storage)] = Field(
        description="Where landings and the history go: s3://BUCKET/PREFIX, with the keys of AWS_..."
        " variables, or file:///FOLDER of a file system that all machines mount",
        examples=["s3://market/floorline"],
    )
    endpoint: Annotated[str, AfterValidator(_check_endpoint)] | None = Field(
        default=None,
        description="The address of an S3 server other than Amazon's",
        examples=["https://s3.example.com"],
    )
    load: bool = Field(
        default=True,
        description="Whether this machine loads what was landed; false: other machines do",
        examples=[False],
    )

    def locate(self, base: Path) -> SharedLocation:
        """Return what is shared; the relative path of a file with the database's address starts at `base`."""
        return SharedLocation(
            DatabasePlace(self.database, base), self.storage, endpoint=self.endpoint, load=self.load
        )


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """Reads the address of the shared database, each time that somebody asks for it."""

    place: str
    base: Path

    def __call__(self) -> str:
        """Return the address. Raises ConfigError where there is none, without the text in its place."""
        kind, _, where = self.place.partition(":")
        if kind in POSTGRES:
            return self.place
        try:
            address = _read_block(where) if kind == "block" else self._read(kind, where)
        except KeyMissing as error:
            raise ConfigError(f"[shared] database: {error.detail}") from None
        except KeyInvalid:  # no text of an address
            address = ""
        if not _is_database(address):
            raise ConfigError(
                f"[shared] database: what {self.place} holds is no address of a PostgreSQL database, such as"
                " postgresql://USER:PASSWORD@HOST/NAME"
            )
        return address

    def _read(self, kind: str, where: str) -> str:
        from connectors.http.auth import read_key  # not for every command

        place = f"file:{self.base / expand_home(where)}" if kind == "file" else self.place
        return read_key(place, "", os.environ).reveal()


@cache
def _read_block(name: str) -> str:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from pipelines.secret_blocks import read_secret_block

    # In a thread: the caller may run inside an event loop, which cannot run a second one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, read_secret_block(name, "")).result().strip()


def _is_database(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in POSTGRES and parts.port != 0 and address.isprintable() and " " not in address
    except ValueError:
        return False

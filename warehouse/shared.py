"""What several machines share, where the configuration has a table [shared]."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True, slots=True)
class SharedLocation:
    """The PostgreSQL database and the storage that the machines of one warehouse share.

    `read_database_url` returns the address of the database, which may have a password: it is read where a
    connection begins, and neither this object nor its pickle has it. `storage` is s3://BUCKET/PREFIX or
    file:///FOLDER, `endpoint` the address of an S3 server other than Amazon's. A machine without `load` only
    lands what it fetches, and other machines load it.
    """

    read_database_url: Callable[[], str] = dataclasses.field(repr=False)
    storage: str
    endpoint: str | None = None
    load: bool = True

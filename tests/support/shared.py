"""A warehouse that machines share: PostgreSQL, an object store, and the table [shared] of each machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from sandbox.core import Sandbox
from tests.support.object_store import ObjectStore
from tests.support.postgres import Postgres
from tests.support.snapshots import Bench

VARIABLE = "TEST_SHARED_DATABASE"


@dataclasses.dataclass(frozen=True, slots=True)
class Shared:
    """What machines share: `environment` has the address of the database, and the keys of the store."""

    storage: str
    endpoint: str
    environment: Mapping[str, str]

    @classmethod
    def create(cls, postgres: Postgres, object_store: ObjectStore) -> Shared:
        """Create an empty database and an empty bucket."""
        environment = {VARIABLE: postgres.create_database(), **object_store.environment}
        return cls(object_store.create_bucket(), object_store.endpoint, environment)

    def add_to(self, bench: Bench, *, load: bool = True) -> Bench:
        """Add the table [shared] to the configuration of a bench; return the bench."""
        table = (
            f'database = "env:{VARIABLE}"\nstorage = "{self.storage}"\nendpoint = "{self.endpoint}"\n'
            f"load = {str(load).lower()}\n"
        )
        bench.config.write_text(f"[shared]\n{table}\n{bench.config.read_text('utf-8')}", "utf-8")
        return bench

    def machine(self, folder: Path, box: Sandbox, *baskets: Mapping[str, object], load: bool = True) -> Bench:
        """Return a machine of the shared warehouse."""
        return self.add_to(Bench.at(folder, box, *baskets), load=load)

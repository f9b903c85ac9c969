"""Two machines that share a warehouse: their configuration, their secrets, and `floorline up` on each."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bench.support import control
from tests.support.namespaces import Machine, network_of
from tests.support.object_store import running_object_store
from tests.support.postgres import Postgres, running_postgres
from tests.support.prefect_cluster import PrefectCluster, running_prefect_cluster
from tests.support.shared import VARIABLE, Shared
from tests.support.snapshots import ASIIMOV, FLOORLINE, REDLINE, Bench, clean_env, toml
from tests.support.up import RunningUp, running_up
from warehouse.paths import WarehousePaths

MAX_SOURCES = 10
WORKERS = 4  # of each machine
KEYS = {f"BENCH_KEY_{number}": f"cs2c_live_planted_{number:02}_51f3b8" for number in range(MAX_SOURCES)}
CONNECTIONS = 400  # of PostgreSQL
CONFIG = "floorline.toml"


@dataclasses.dataclass(frozen=True, slots=True)
class Home:
    """A machine with its own files in `folder`, which it and the other one have at the path `place`."""

    machine: Machine
    folder: Path
    place: Path
    environment: Mapping[str, str]

    @property
    def paths(self) -> WarehousePaths:
        """The paths of the machine's files, as this process sees them."""
        return Bench(self.folder, self.folder / CONFIG).paths

    @property
    def prefix(self) -> tuple[str, ...]:
        """The start of a command that runs on this machine."""
        return tuple(self.machine.with_home(self.folder, self.place))

    def command(self, *arguments: str) -> str:
        """Run a command of Floorline here, to its end; return its output."""
        return subprocess.run(
            [*self.prefix, FLOORLINE, *arguments],
            env=clean_env(**self.environment),
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ).stdout

    @contextlib.contextmanager
    def up(self) -> Iterator[RunningUp]:
        """Run `floorline up` here."""
        bench = Bench(self.folder, self.place / CONFIG)
        options = ("--workers", str(WORKERS))
        with running_up(bench, *options, prefix=self.prefix, **self.environment) as up:
            yield up


@dataclasses.dataclass(frozen=True, slots=True)
class Cluster:
    """All servers, and the two machines, whose configuration has so many runs, each of so many sources."""

    runs: int
    sources: int
    postgres: Postgres
    prefect: PrefectCluster
    prefect_folder: Path
    shared: Shared
    homes: tuple[Home, ...]


@contextlib.contextmanager
def running_cluster(folder: Path, api: str, *, runs: int, sources: int) -> Iterator[Cluster]:
    """Run the servers, and prepare two machines that ask the price API at `api`.

    There are `runs` deployments, each with a basket of each of the `sources`.
    """
    prefect_folder = folder / "prefect"
    prefect_folder.mkdir()
    for key in KEYS.values():
        control(api, "keys", {"key": key, "state": "valid", "tier": "quant"})
    with (
        network_of(2) as network,
        running_postgres(network.host, CONNECTIONS) as postgres,
        running_object_store(network.host) as store,
        running_prefect_cluster(postgres, prefect_folder) as prefect,
        contextlib.ExitStack() as stack,
    ):
        shared = Shared.create(postgres, store)
        os.environ.update(shared.environment)  # this process reads the warehouse, too
        place = folder / "floorline"
        place.mkdir()
        homes = []
        for machine in network.machines:
            # The price API and Prefect's proxy listen on loopback here.
            stack.enter_context(machine.forward(_port(api), _port(prefect.api)))
            home = folder / machine.name
            home.mkdir()
            (home / CONFIG).write_text(_configure(shared, api, runs=runs, sources=sources), "utf-8")
            # Without those for each basket: all servers share the cores of this machine.
            (home / "automations.yaml").write_text("automations: []\n", "utf-8")
            environment = {**shared.environment, **prefect.environment, **KEYS}
            homes.append(Home(machine, home, place, environment))
        yield Cluster(
            runs, sources, postgres, prefect, prefect_folder=prefect_folder, shared=shared, homes=tuple(homes)
        )


def run_name(number: int) -> str:
    """Return the name of a deployment, which has one basket of each source."""
    return f"run-{number:02}"


def _configure(shared: Shared, api: str, *, runs: int, sources: int) -> str:
    source_tables = {
        f"sources.source-{number}": {"kind": "cs2cap", "base_url": api, "key": f"env:{variable}"}
        for number, variable in enumerate([*KEYS][:sources])
    }
    tables: dict[str, Mapping[str, object]] = {
        "shared": {
            "database": f"env:{VARIABLE}",
            "storage": shared.storage,
            "endpoint": shared.endpoint,
        },
        "warehouse": {"path": "data", "least_free": "1MB"},
        **source_tables,
    }
    baskets = [
        {
            "name": f"{run_name(run)}-{source}",
            "deployment": run_name(run),
            "source": f"source-{source}",
            "items": [REDLINE, ASIIMOV],
            "providers": ["steam", "buff163"],
            "currencies": ["USD"],
            "route": "item",
            "every": "7d",  # the first run is due at once, and the next one after the end of all this
        }
        for run in range(runs)
        for source in range(sources)
    ]
    return toml(tables, baskets)


def _port(address: str) -> int:
    port = urlsplit(address).port
    assert port is not None
    return port

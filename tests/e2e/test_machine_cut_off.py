"""A machine that loses its network loses what it held, and no other one waits for longer than a minute."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.namespaces import needs_namespaces, network_of
from tests.support.postgres import needs_postgres, running_postgres
from tests.support.states import process_environment, share
from warehouse.database import open_writer
from warehouse.lease import WRITER, LeaseHeld, hold_lease, lease_holder
from warehouse.transactions import transaction

HOLD_LEASE = """
import sys
from tests.support.states import paths_of_process
from warehouse.lease import WRITER, hold_lease
with hold_lease(paths_of_process(), WRITER, 0):
    print("held", flush=True)
    sys.stdin.read()
"""


LOCK_CATALOG = """
import sys
from tests.support.states import paths_of_process
from warehouse.lake.connection import METADATA, attach_lake
with attach_lake(paths_of_process().published_database, read_only=False) as db:
    db.begin()
    db.execute("CALL postgres_execute(?, 'LOCK TABLE ducklake_snapshot IN EXCLUSIVE MODE')", [METADATA])
    print("locked", flush=True)
    sys.stdin.read()
"""


@needs_postgres
@needs_namespaces
@pytest.mark.slow
def test_lease_of_a_machine_that_is_cut_off_is_free_within_a_minute(tmp_path: Path) -> None:
    with network_of(1) as network, running_postgres(network.host) as server:
        (machine,) = network.machines
        paths = share(tmp_path, server.create_database())
        command = [*machine.prefix, sys.executable, "-c", HOLD_LEASE, str(tmp_path)]
        pipe, environment = subprocess.PIPE, process_environment(paths)
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            machine.cut_off()
            with pytest.raises(LeaseHeld, match=f"PID {holder.pid}"), hold_lease(paths, WRITER, 0):
                pass
            with hold_lease(paths, WRITER, 60):
                assert lease_holder(paths, WRITER) is not None
            holder.kill()


@needs_postgres
@needs_namespaces
@pytest.mark.slow
def test_catalog_that_a_machine_locked_when_it_was_cut_off_is_free_within_a_minute(tmp_path: Path) -> None:
    """In the middle of its commit, a load holds locks of the catalog."""
    with network_of(1) as network, running_postgres(network.host) as server:
        (machine,) = network.machines
        paths = share(tmp_path, server.create_database())
        paths.prepare()
        with open_writer(paths.loader_database):
            pass
        command = [*machine.prefix, sys.executable, "-c", LOCK_CATALOG, str(tmp_path)]
        pipe, environment = subprocess.PIPE, process_environment(paths)
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as holder:
            assert holder.stdout is not None
            assert "locked\n" in iter(holder.stdout.readline, "")  # DuckDB may print an empty line
            machine.cut_off()
            began = time.monotonic()
            with open_writer(paths.loader_database) as db, transaction(db):
                pass  # it writes the epoch of this loader
            assert time.monotonic() - began < 60
            holder.kill()

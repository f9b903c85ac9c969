"""A machine that loses its network loses its leases, and no other machine waits for longer than a minute."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.namespaces import needs_namespaces, network_of
from tests.support.postgres import needs_postgres, running_postgres
from tests.support.states import process_environment, share
from warehouse.lease import WRITER, LeaseHeld, hold_lease, lease_holder

HOLD_LEASE = """
import sys
from tests.support.states import paths_of_process
from warehouse.lease import WRITER, hold_lease
with hold_lease(paths_of_process(), WRITER, 0):
    print("held", flush=True)
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

"""Prefect flows and their deployments: thin wrappers around pipelines."""

from typing import Final

from common import supervisor_lock

# A flow run is no child of `floorline up`, and its worker may have died: it follows the lock by itself.
supervisor_lock.follow()
# Here, because a process that only needs the name need not import Prefect.
WORK_POOL: Final = "floorline"

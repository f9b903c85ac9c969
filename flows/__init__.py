"""Prefect flows and their deployments: thin wrappers around pipelines."""

from typing import Final

# Here, because a process that only needs the name need not import Prefect.
WORK_POOL: Final = "floorline"

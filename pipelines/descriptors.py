"""File descriptors: how many connections the sources of a run may have where the machine grants few."""

from __future__ import annotations

import resource
from collections.abc import Collection
from typing import Final

from common.machine_errors import ResourceExhausted
from common.process_limits import raise_limit
from pipelines.config import Settings

# Measured: 12 of a process, 19 with Prefect in it; and for each source 4 and its connections.
OF_PROCESS: Final = 24
OF_SOURCE: Final = 5


def limit_connections(settings: Settings, sources: Collection[str]) -> Settings:
    """Return the settings with as much `concurrency` of these sources as this process may have descriptors.

    Raises ResourceExhausted where the descriptors do not suffice for one connection to each source.
    """
    wanted = OF_PROCESS + sum(OF_SOURCE + settings.sources[name].concurrency for name in sources)
    granted = raise_limit(resource.RLIMIT_NOFILE, wanted)
    if granted >= wanted:
        return settings
    connections = (granted - OF_PROCESS) // len(sources) - OF_SOURCE
    if connections < 1:
        needed = OF_PROCESS + len(sources) * (OF_SOURCE + 1)
        detail = f"this process may have {granted:,} descriptors (`ulimit -n`), and needs {needed:,}"
        raise ResourceExhausted(f"{detail} for {len(sources)} sources at once")
    limited = {
        name: source.model_copy(update={"concurrency": min(source.concurrency, connections)})
        for name, source in settings.sources.items()
    }
    return settings.model_copy(update={"sources": limited})

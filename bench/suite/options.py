"""The options of a run of the suite."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.suite.machine import LoadWatch


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """`rounds` of each part, `rows` of a snapshot, and the million rows of each `history`.

    Rivals `without` are left out: "dlt" takes most of the time.
    """

    rounds: int = 5
    rows: int = 604_373
    history: tuple[int, ...] = (1, 10, 50)
    without: frozenset[str] = frozenset()
    watch: LoadWatch = field(default_factory=LoadWatch)

"""The results of the suite, as a run leaves them beside the report."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

RESULTS: Final = Path(__file__).parents[1] / "results.json"
BUSY: Final = 0.1  # the share of all cores that other processes may use


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table: its samples, one a round, and the goal of their median.

    `unit` is "x" for a ratio of two figures of the same round, else "s", "ms", "MB", "bytes" or "".
    """

    name: str
    samples: Sequence[float]
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def median(self) -> float:
        """The median of the samples."""
        return statistics.median(self.samples)

    @property
    def is_met(self) -> bool | None:
        """Whether the median meets the goal; None without a goal."""
        if self.at_most is not None:
            return self.median <= self.at_most
        return None if self.at_least is None else self.median >= self.at_least


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a part ran: cores, memory in GiB, the share of the cores that others used, and versions."""

    cores: int
    memory: float
    used_by_others: float
    versions: Mapping[str, str]

    @property
    def is_busy(self) -> bool:
        """Whether only ratios mean something."""
        return self.used_by_others > BUSY


@dataclass(frozen=True, slots=True)
class Findings:
    """What a part found: figures, the multiples of the chart, pinned rivals, and who was left out and why."""

    figures: Sequence[Figure]
    bars: Mapping[str, float]
    rivals: Sequence[str] = ()
    left_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PartResult:
    """What one part measured. `bars` are multiples for the chart; `bar_title` says of what."""

    part: str
    title: str
    day: str
    command: str
    figures: Sequence[Figure]
    bar_title: str
    bars: Mapping[str, float]
    machine: Machine
    left_out: Sequence[str] = ()


def read_results(path: Path = RESULTS) -> dict[str, PartResult]:
    """Read the results of all parts that ever ran, by the part's name."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, PartResult]) if path.exists() else {}


def write_results(results: Mapping[str, PartResult], path: Path = RESULTS) -> None:
    """Write the results of all parts."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")

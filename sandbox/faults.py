"""Faults on request, as both APIs have them: which requests fail, how often, and how."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sandbox.http_types import ApiRequest, Json


@dataclass(slots=True)
class ScheduledFault(ABC):
    """A fault of matching requests: the first `after` of them pass, then `times` of them fail (None: all).

    `params` depend on the kind of fault; `seen` counts the matching requests.
    """

    kind: str
    path: str
    after: int = 0
    times: int | None = 1
    params: Mapping[str, Json] = field(default_factory=dict)
    seen: int = 0

    @abstractmethod
    def applies_to(self, request: ApiRequest) -> bool:
        """Return whether a request is one of those that the fault counts."""

    def matches(self, request: ApiRequest) -> bool:
        """Return whether a request fails; counts it."""
        if not self.applies_to(request):
            return False
        self.seen += 1
        return self.seen > self.after and (self.times is None or self.seen <= self.after + self.times)

    @property
    def latency(self) -> float:
        """Seconds by which the fault delays a response."""
        return self.number("seconds", 1) if self.kind == "latency" else 0

    def number(self, name: str, default: float) -> float:
        """Return a parameter that is a number."""
        value = self.params.get(name, default)
        return float(value) if isinstance(value, int | float) else default

    def numbers(self, name: str) -> list[int] | None:
        """Return a parameter that is a list of integers, or None."""
        value = self.params.get(name)
        return [number for number in value if isinstance(number, int)] if isinstance(value, list) else None

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter that is text."""
        return str(self.params.get(name, default))


F = TypeVar("F", bound=ScheduledFault)


class FaultRegistry(Generic[F]):
    """The active faults of one API, in the order in which they apply."""

    def __init__(self) -> None:
        self.active: list[F] = []

    def add(self, fault: F) -> F:
        """Activate a fault."""
        self.active.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults."""
        self.active.clear()

    def matching(self, request: ApiRequest) -> list[F]:
        """Return the faults of a request; counts the request in every fault."""
        return [fault for fault in list(self.active) if fault.matches(request)]

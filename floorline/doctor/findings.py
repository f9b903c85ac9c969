"""The findings of `floorline doctor`: a verdict, what the check saw, and what to do about a problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from common.addresses import mask_secrets
from common.errors import FloorlineError, SourceError

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check: `name` is the subject of the check; `advice` is empty for the verdict "ok".

    The addresses in `seen` lose their user information.
    """

    name: str
    verdict: Verdict
    seen: str
    advice: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "seen", mask_secrets(self.seen))


def ok(name: str, seen: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(name, "ok", seen)


def warn(name: str, seen: str, advice: str) -> Finding:
    """Return a finding of a problem that does not make snapshots fail yet."""
    return Finding(name, "warn", seen, advice=advice)


def fail(name: str, seen: str, advice: str) -> Finding:
    """Return a finding of a problem that makes snapshots fail."""
    return Finding(name, "fail", seen, advice=advice)


def from_error(name: str, error: FloorlineError) -> Finding:
    """Return a failed finding that describes an error and its guidance."""
    return fail(name, error_summary(error), error.guidance)


def error_summary(error: FloorlineError) -> str:
    """Return the detail of an error, after the API's code and the HTTP status if there are any."""
    if not isinstance(error, SourceError):
        return error.detail
    status = f"HTTP {error.status}" if error.status else ""
    code = f"{error.code} ({status})" if error.code and status else error.code or status
    return f"{code}: {error.detail}" if code else error.detail

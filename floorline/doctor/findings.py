"""What a check of `floorline doctor` found: a verdict, what was seen, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from common.errors import FloorlineError, SourceError

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's. `name` says what was looked at; `advice` is empty where all is well."""

    name: str
    verdict: Verdict
    seen: str
    advice: str = ""


def ok(name: str, seen: str) -> Finding:
    """All is well."""
    return Finding(name, "ok", seen)


def warn(name: str, seen: str, advice: str) -> Finding:
    """It works for now."""
    return Finding(name, "warn", seen, advice)


def fail(name: str, seen: str, advice: str) -> Finding:
    """Snapshots will fail, or do already."""
    return Finding(name, "fail", seen, advice)


def from_error(name: str, error: FloorlineError) -> Finding:
    """What an error says, as a finding that fails."""
    return fail(name, error_summary(error), error.guidance)


def error_summary(error: FloorlineError) -> str:
    """What happened, with the API's code and status where there are such."""
    if not isinstance(error, SourceError):
        return error.detail
    status = f"HTTP {error.status}" if error.status else ""
    code = f"{error.code} ({status})" if error.code and status else error.code or status
    return f"{code}: {error.detail}" if code else error.detail

"""The doctor's look at the versions that Floorline runs on."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib import metadata

from flows.doctor_findings import Finding, fail, ok, warn

REINSTALL = "install Floorline anew: pip install -r requirements.lock"


def installed() -> dict[str, str]:
    """The versions of what this process runs on, by name."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, **{name: metadata.version(name) for name in ("duckdb", "prefect", "fastapi")}}


def versions(found: Mapping[str, str]) -> list[Finding]:
    """Judge the versions of python, duckdb, prefect and fastapi."""
    return [_python(found["python"]), _duckdb(found["duckdb"]), _prefect(found["prefect"], found["fastapi"])]


def _python(version: str) -> Finding:
    if _of(version) < (3, 11):
        return fail("python", version, "use Python 3.11 or newer")
    return ok("python", version)


def _duckdb(version: str) -> Finding:
    return (
        ok("duckdb", version) if _of(version) == (1, 5) else fail("duckdb", f"{version}, not 1.5", REINSTALL)
    )


def _prefect(version: str, fastapi: str) -> Finding:
    """FastAPI 0.151 broke the null fields of Prefect 3.8's API, and 0.155 its import."""
    both = f"{version} with fastapi {fastapi}"
    if _of(version) != (3, 8):
        return warn("prefect", f"{both}; Floorline is tested with Prefect 3.8", REINSTALL)
    if _of(fastapi) >= (0, 151):
        seen = f"{both}: Prefect 3.8 does not work with fastapi 0.151 or newer"
        return fail("prefect", seen, "pip install 'fastapi<0.151'")
    return ok("prefect", both)


def _of(version: str) -> tuple[int, ...]:
    """Major and minor."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])

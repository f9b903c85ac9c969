"""The doctor's look at the versions that Floorline runs on."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib import metadata

from floorline.doctor.findings import Finding, fail, ok, warn

LIBRARIES = ("duckdb", "prefect", "fastapi", "sqlalchemy")
REINSTALL = "install Floorline anew: pip install --no-deps -r requirements.lock"


def installed_versions() -> dict[str, str]:
    """The versions of what this process runs on, by name."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, **{name: metadata.version(name) for name in LIBRARIES}}


def check_versions(found: Mapping[str, str]) -> list[Finding]:
    """Judge the versions of python and LIBRARIES."""
    return [_python(found["python"]), _duckdb(found["duckdb"]), _prefect(found)]


def _python(version: str) -> Finding:
    if _of(version) < (3, 11):
        return fail("python", version, "use Python 3.11 or newer")
    return ok("python", version)


def _duckdb(version: str) -> Finding:
    return (
        ok("duckdb", version) if _of(version) == (1, 5) else fail("duckdb", f"{version}, not 1.5", REINSTALL)
    )


def _prefect(found: Mapping[str, str]) -> Finding:
    """FastAPI 0.151 broke the null fields of Prefect 3.8's API; with SQLAlchemy 2.1 it schedules no run."""
    seen = f"{found['prefect']} with fastapi {found['fastapi']} and sqlalchemy {found['sqlalchemy']}"
    if _of(found["prefect"]) != (3, 8):
        return warn("prefect", f"{seen}; Floorline is tested with Prefect 3.8", REINSTALL)
    for name, bound in (("fastapi", (0, 151)), ("sqlalchemy", (2, 1))):
        if _of(found[name]) >= bound:
            newest = ".".join(map(str, bound))
            told = f"{seen}: Prefect 3.8 does not work with {name} {newest} or newer"
            return fail("prefect", told, f"pip install '{name}<{newest}'")
    return ok("prefect", seen)


def _of(version: str) -> tuple[int, ...]:
    """Major and minor."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])

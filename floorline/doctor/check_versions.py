"""Check the versions of Python and of the libraries that Floorline depends on."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Final

from floorline.doctor.findings import Finding, fail, ok, warn

LIBRARIES: Final = ("duckdb", "prefect", "fastapi", "sqlalchemy")
REINSTALL: Final = "reinstall Floorline: pip install --no-deps -r requirements.lock"


def installed_versions() -> dict[str, str]:
    """Return the installed versions of Python and of LIBRARIES, by name."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, **{name: metadata.version(name) for name in LIBRARIES}}


def check_versions(versions: Mapping[str, str]) -> list[Finding]:
    """Check the versions that `installed_versions` returns."""
    return [_check_python(versions["python"]), _check_duckdb(versions["duckdb"]), _check_prefect(versions)]


def _check_python(version: str) -> Finding:
    if _major_minor(version) < (3, 11):
        return fail("python", version, "use Python 3.11, 3.12 or 3.13")
    if _major_minor(version) > (3, 13):
        return warn("python", f"{version}; Floorline is tested with 3.11 to 3.13", "use one of these")
    return ok("python", version)


def _check_duckdb(version: str) -> Finding:
    if _major_minor(version) != (1, 5):
        return fail("duckdb", f"{version}, not 1.5", REINSTALL)
    return ok("duckdb", version)


def _check_prefect(versions: Mapping[str, str]) -> Finding:
    """Check Prefect and two of its libraries.

    With FastAPI 0.151, Prefect 3.8's API rejects null fields; with SQLAlchemy 2.1, it schedules no run.
    """
    seen = f"{versions['prefect']} with fastapi {versions['fastapi']} and sqlalchemy {versions['sqlalchemy']}"
    if _major_minor(versions["prefect"]) != (3, 8):
        return warn("prefect", f"{seen}; Floorline is tested with Prefect 3.8", REINSTALL)
    for name, limit in (("fastapi", (0, 151)), ("sqlalchemy", (2, 1))):
        if _major_minor(versions[name]) >= limit:
            bound = ".".join(map(str, limit))
            problem = f"{seen}: Prefect 3.8 does not work with {name} {bound} or newer"
            return fail("prefect", problem, f"pip install '{name}<{bound}'")
    return ok("prefect", seen)


def _major_minor(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])

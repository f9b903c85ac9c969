"""Whether a Prefect API is configured, told without importing Prefect, which takes two seconds."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path


def prefect_configured() -> bool:
    """Whether a Prefect API is set, in the environment or in the active profile."""
    if os.environ.get("PREFECT_API_URL"):
        return True
    profiles = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser() / "profiles.toml"
    try:
        found = tomllib.loads(profiles.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    active = os.environ.get("PREFECT_PROFILE") or found.get("active", "")
    return bool(found.get("profiles", {}).get(active, {}).get("PREFECT_API_URL"))

"""The address of the Prefect API, read where Prefect reads it, without the slow import of Prefect."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from common.errors import ConfigError

API_URL: Final = "PREFECT_API_URL"
PROFILES: Final = "PREFECT_PROFILES_PATH"


def read_api_url(*, with_profile: bool = True) -> str | None:
    """Return the address that Prefect's settings have for the API; None without one, or with an empty one.

    Prefect reads, in this order: the environment, `.env`, `prefect.toml` and `pyproject.toml` of the working
    directory, and (`with_profile`) the active profile. Raises ConfigError for a `prefect.toml` that cannot be
    read.
    """
    places: tuple[Callable[[], object], ...] = (
        lambda: _without_case(os.environ, API_URL),
        lambda: _without_case(_read_env_file(), API_URL),
        lambda: _find(_read_prefect_toml(), "api", "url"),
        lambda: _find(_read_toml(Path("pyproject.toml")), "tool", "prefect", "api", "url"),
        lambda: _find(_active_profile(), API_URL) if with_profile else None,
    )
    url = next((value for place in places if (value := place()) is not None), None)
    return url if url and isinstance(url, str) else None


def _active_profile() -> object:
    profiles = _read_toml(_profiles_path())
    name = os.environ.get("PREFECT_PROFILE") or _find(profiles, "active")
    return _find(profiles, "profiles", name) if isinstance(name, str) else None


def _profiles_path() -> Path:
    """Return the path of Prefect's profiles, which `home` in a file of settings does not move."""
    places = (
        os.environ.get(PROFILES),
        _read_env_file().get(PROFILES),
        _find(_read_prefect_toml(), "profiles_path"),
        _find(_read_toml(Path("pyproject.toml")), "tool", "prefect", "profiles_path"),
    )
    path = next((place for place in places if place and isinstance(place, str)), None)
    return Path(path or Path(os.environ.get("PREFECT_HOME") or "~/.prefect") / "profiles.toml")


def _read_env_file() -> Mapping[str, str | None]:
    if not Path(".env").is_file():
        return {}
    from dotenv import dotenv_values  # most folders have no such file

    try:
        return dotenv_values(".env", encoding="utf-8")
    except (OSError, ValueError):
        return {}


def _read_prefect_toml() -> object:
    """Return the content of prefect.toml. Raises ConfigError where Prefect cannot read it, either."""
    path = Path("prefect.toml")
    content = _read_toml(path)
    if content is None and path.exists():
        raise ConfigError(f"{path.absolute()} cannot be read, and may have settings of Prefect")
    return content


def _read_toml(path: Path) -> object:
    try:
        return tomllib.loads(path.expanduser().read_text("utf-8"))
    except (OSError, ValueError, RuntimeError):  # RuntimeError: nobody knows the user's home
        return None


def _without_case(values: Mapping[str, Any], name: str) -> object:
    """Return the value of a name in any case, as Prefect takes it; None without one."""
    return next((value for key, value in values.items() if key.upper() == name), None)


def _find(content: object, *keys: str) -> object:
    """Return the value to which keys lead in the content of a TOML file; None where they lead nowhere."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content

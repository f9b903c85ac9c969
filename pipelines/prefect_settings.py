"""Import Prefect, where its settings can be used; else say in one line where to look.

Prefect reads its settings when it is imported. It prints what is wrong with them, with their values.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import tempfile
import tomllib
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from common.errors import ConfigError

DATABASE: Final = re.compile(r"(sqlite\+aiosqlite|postgresql\+asyncpg):")
PLACES: Final = (
    "the PREFECT_... variables, {home}/profiles.toml, and prefect.toml, pyproject.toml and .env in {folder}"
)


def import_prefect(module: str = "prefect.client.orchestration") -> None:
    """Import a module of Prefect. Raises ConfigError where Prefect's settings cannot be used."""
    for name in ("prefect.toml", "pyproject.toml"):  # Prefect would ignore the whole file
        _check_toml(Path(name))
    try:
        names = _read_profiles()
    except Exception as error:  # noqa: BLE001 - whatever the content of the files leads to
        places = PLACES.format(home=_home(), folder=Path.cwd())
        problem = f"Prefect's settings cannot be used{_wrong_setting(error)}"
        raise ConfigError(f"{problem}: check {places}") from None
    profile = os.environ.get("PREFECT_PROFILE")
    if profile and profile not in names:
        raise ConfigError(f"PREFECT_PROFILE names the profile {profile}, which {_home()}/profiles.toml lacks")
    _check_logging()
    importlib.import_module(module)


def check_temporary_server() -> None:
    """Raise ConfigError where Prefect needs a temporary server and cannot start one; import Prefect first."""
    settings = importlib.import_module("prefect.settings").get_current_settings()
    database = settings.server.database.connection_url
    if settings.api.url or database is None:
        return
    if database.get_secret_value() == f"sqlite+aiosqlite:///{settings.home}/prefect.db":
        check_home(settings.home)
    elif not DATABASE.match(database.get_secret_value()):
        raise ConfigError(
            "PREFECT_SERVER_DATABASE_CONNECTION_URL is no address of a database that Prefect can use"
        )


def check_home(home: Path) -> None:
    """Raise ConfigError where Prefect cannot keep its database in this folder."""
    advice = "set PREFECT_HOME to another folder"
    if "?" in str(home):
        raise ConfigError(f"{home} has a question mark, behind which Prefect sees no path: {advice}")
    try:
        home.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=home).close()
    except OSError as error:
        raise ConfigError(f"Prefect cannot write to {home}: {error.strerror}: {advice}") from None


def _check_logging() -> None:
    """Raise ConfigError for a logging configuration with which Prefect would print tracebacks."""
    import yaml

    settings = importlib.import_module("prefect.settings").get_current_settings()
    path = Path(settings.logging.config_path or settings.home / "logging.yml")
    if not path.exists():
        return  # Prefect has its own
    try:
        dict(yaml.safe_load(path.read_text("utf-8"))["handlers"]).values()
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        raise ConfigError(f"{path} is not a logging configuration of Prefect") from None


def _check_toml(path: Path) -> None:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        content.get("tool", {}).get("prefect", {}).get("api")
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError):
        raise ConfigError(f"{path.absolute()} cannot be read, and may have settings of Prefect") from None


def _read_profiles() -> Collection[str]:
    """Return the names of Prefect's profiles, once Prefect has read its settings."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        profiles: Collection[str] = importlib.import_module("prefect.settings").load_profiles().names
    return profiles


def _wrong_setting(error: Exception) -> str:
    """Return the name of the setting that Prefect rejects, in brackets, without its value."""
    problems: list[dict[str, Any]] = getattr(error, "errors", list)()
    return f" ({'.'.join(map(str, problems[0]['loc']))})" if problems else ""


def _home() -> str:
    return os.environ.get("PREFECT_HOME") or "~/.prefect"

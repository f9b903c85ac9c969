"""The logging configuration of Prefect in all processes of `floorline up`: what no handler writes."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any, Final

from common.errors import ConfigError
from common.files import expand_home, translate_os_errors
from common.logs import LockErrorFilter, SecretsFilter

SETTING: Final = "PREFECT_LOGGING_CONFIG_PATH"
FILE: Final = "logging-of-up.yml"
_FILTERS: Final = {"floorline_secrets": SecretsFilter, "floorline_locks": LockErrorFilter}


def write_logging_config(home: Path) -> Path:
    """Write the user's logging configuration, or Prefect's own, with our filters for every handler.

    Returns the path of the file in `home`. Raises ConfigError for a file of another kind, WarehouseError.
    """
    import yaml

    source = _find_source()
    try:
        config: dict[str, Any] = yaml.safe_load(source.read_text("utf-8"))
        own = {name: {"()": f"{kind.__module__}.{kind.__qualname__}"} for name, kind in _FILTERS.items()}
        config["filters"] = {**config.get("filters", {}), **own}
        for handler in config["handlers"].values():
            handler["filters"] = [*handler.get("filters", ()), *_FILTERS]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError):
        raise ConfigError(f"{source} is not a logging configuration of Prefect") from None
    with translate_os_errors(home):
        (home / FILE).write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    return home / FILE


def _find_source() -> Path:
    """Return the user's logging configuration; without one, Prefect's own."""
    given = os.environ.get(SETTING) or os.environ.get("PREFECT_LOGGING_SETTINGS_PATH")
    own = expand_home(given) if given else Path(os.environ["PREFECT_HOME"]) / "logging.yml"
    if own.exists():
        return own
    spec = importlib.util.find_spec("prefect")  # does not import Prefect, which would read its settings
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0] if folders else "prefect") / "logging" / "logging.yml"

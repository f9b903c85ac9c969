"""Filters of the logs of the libraries that we use: no secrets, no errors that were only a wait."""

from __future__ import annotations

import base64
import logging
import os
import traceback
from collections.abc import Mapping
from typing import Final

from common.addresses import MASK, mask_secrets

# Libraries that log what they send, and the level from which on they do not: headers, frames, SQL parameters.
SAFE_LEVELS: Final = {
    "websockets": logging.INFO,
    "uvicorn.error": logging.INFO,
    "httpcore": logging.INFO,
    "aiosqlite": logging.INFO,
    "asyncpg": logging.INFO,
    "sqlalchemy.engine": logging.WARNING,
}
LOCKED: Final = "database is locked"
SECRETS: Final = ("PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_KEY")


class SecretsFilter(logging.Filter):
    """Drops records of what libraries send; masks addresses and secrets of the environment in all others."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        super().__init__()
        values = [env[name] for name in SECRETS if env.get(name)]
        self._secrets = [*values, *(base64.b64encode(value.encode()).decode() for value in values)]

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to keep a record; mask its message."""
        for name, level in SAFE_LEVELS.items():
            if record.levelno < level and (record.name == name or record.name.startswith(f"{name}.")):
                return False
        message = masked = record.getMessage()
        for secret in self._secrets:
            masked = masked.replace(secret, MASK)
        masked = mask_secrets(masked)
        if masked != message:
            record.msg, record.args = masked, ()
        return True


class LockErrorFilter(logging.Filter):
    """Drops the records of SQLite's lock errors: a request had to wait too long, and Prefect tries again."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to keep a record."""
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage() + ("".join(traceback.format_exception(error)) if error else "")
        return LOCKED not in text

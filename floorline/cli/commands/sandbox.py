"""`sandbox`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from common.errors import ConfigError


def sandbox(*, frozen: datetime | None, **options: Any) -> None:  # noqa: ANN401 - as Options has them
    """Serve until interrupted."""
    from sandbox.options import Options
    from sandbox.server import run

    try:
        run(Options(**options, frozen=frozen.replace(tzinfo=UTC) if frozen else None))
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError(f"the sandbox cannot be set up so: {error}") from None

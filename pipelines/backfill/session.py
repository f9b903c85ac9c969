"""The session of a backfill with its one source."""

from __future__ import annotations

from common.errors import ConfigError
from connectors.cs2cap.connector import CS2Cap
from pipelines.config import Settings
from pipelines.source_session import SourceSession


def resolve_source(settings: Settings, name: str | None) -> str:
    """Return the source called `name`, or the only source that keeps a history. Raises ConfigError."""
    capable = [known for known, source in settings.sources.items() if source.kind == "cs2cap"]
    if name is not None and name not in settings.sources:
        raise ConfigError(f"no source is called {name}; there is {', '.join(settings.sources) or 'none'}")
    if name is not None and name not in capable:
        raise ConfigError(f"{name} has no price history; {', '.join(capable) or 'no source'} has")
    if name is not None:
        return name
    if len(capable) != 1:
        raise ConfigError(f"name the source (--source); sources with history: {', '.join(capable) or 'none'}")
    return capable[0]


class BackfillSession(SourceSession):
    """A session with a source that serves history series."""

    @property
    def connector(self) -> CS2Cap:
        """The connector. Raises ConfigError for a source without history series."""
        connector = super().connector
        if not isinstance(connector, CS2Cap):
            raise ConfigError("the source serves no history series", self.name)
        return connector

    @property
    def requests(self) -> int:
        """The requests sent so far that use quota: all but those of the authentication."""
        return self.requests_sent - self.requests_at_open

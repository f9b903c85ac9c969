"""The request log: every request that the API got, in order."""

import time
from dataclasses import asdict, dataclass

from sandbox.http_types import Json


@dataclass(slots=True)
class LogEntry:
    """One request: its number, the sandbox's time and the real one, and how it was answered.

    `status` is None while it is under way and where the connection was dropped; `key` is a label or the last
    four characters.
    """

    n: int
    at: str
    t: float
    method: str
    path: str
    query: str
    key: str | None
    status: int | None = None
    code: str | None = None

    def as_dict(self) -> dict[str, Json]:
        """For an answer in JSON."""
        return asdict(self)


class RequestLog:
    """Entries numbered from 1."""

    def __init__(self) -> None:
        self._entries: list[LogEntry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, at: str, method: str, path: str, query: str, key: str | None) -> LogEntry:
        """Note a request as it arrives."""
        entry = LogEntry(len(self._entries) + 1, at, time.time(), method, path, query, key)
        self._entries.append(entry)
        return entry

    def since(self, n: int = 0) -> list[LogEntry]:
        """Return the entries after number `n`, oldest first."""
        return self._entries[n:]

    def of_path(self, path: str, since: int = 0) -> list[LogEntry]:
        """Return the entries of one path after number `since`."""
        return [entry for entry in self.since(since) if entry.path == path]

    def clear(self) -> None:
        """Forget all; numbers start from 1 again."""
        self._entries.clear()

"""The request log: every request that an API received, in order."""

import time
from dataclasses import asdict, dataclass

from sandbox.http_types import ApiResponse, Json


@dataclass(slots=True)
class LogEntry:
    """One request: its number, the sandbox's time (ISO 8601) and the real one (Unix), and the response.

    `status` is None before the response and for a dropped connection; `key` is the label of the key or its
    last four characters.
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

    def record(self, response: ApiResponse) -> None:
        """Note the status and the code of the response."""
        self.status, self.code = (None, "drop") if response.drop else (response.status, response.code)

    def as_dict(self) -> dict[str, Json]:
        """Return the fields of the JSON."""
        return asdict(self)


class RequestLog:
    """Entries numbered from 1."""

    def __init__(self) -> None:
        self._entries: list[LogEntry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, at: str, method: str, path: str, *, query: str, key: str | None) -> LogEntry:
        """Add a request on its arrival."""
        entry = LogEntry(
            n=len(self._entries) + 1, at=at, t=time.time(), method=method, path=path, query=query, key=key
        )
        self._entries.append(entry)
        return entry

    def since(self, n: int = 0) -> list[LogEntry]:
        """Return the entries after number `n`, oldest first."""
        return self._entries[n:]

    def of_path(self, path: str, since: int = 0) -> list[LogEntry]:
        """Return the entries of one path after number `since`."""
        return [entry for entry in self.since(since) if entry.path == path]

    def clear(self) -> None:
        """Remove all entries; numbers start from 1 again."""
        self._entries.clear()

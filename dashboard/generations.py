"""Follow the published database: prepare a generation aside, show it, close the old one after its readers."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, Protocol, TypeVar

from common.errors import FloorlineError
from warehouse.paths import Database
from warehouse.published import Identity, identify_database

LOG: Final = logging.getLogger("floorline")
POLL_SECONDS: Final = 0.5


class Closeable(Protocol):
    """What is prepared of one published file."""

    def close(self) -> None:
        """Close the file."""


_T = TypeVar("_T", bound=Closeable)


class _Shown(Generic[_T]):
    """A generation that is shown, or was, with the number of those who read it."""

    def __init__(self, value: _T, identity: Identity) -> None:
        self.value = value
        self.identity = identity
        self.readers = 0
        self.is_replaced = False


class GenerationFollower(Generic[_T]):
    """Shows the newest state of a published database, as `prepare` makes it ready for its readers.

    A thread looks for a new file every half second. It calls `prepare` aside: meanwhile everybody reads the
    generation before. Where `prepare` raises a FloorlineError, that one stays, and the thread tries again
    when the file changes. What is shown, the first file too, the thread then makes complete, in steps:
    between two of them, it turns to a newer file. Use the follower as a context manager; call `read` in any
    thread. Raises what `prepare` raises for the first file.
    """

    def __init__(
        self,
        database: Database,
        prepare: Callable[[], _T],
        complete: Callable[[_T], Iterable[object]] = lambda _: (),
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._database = database
        self._prepare = prepare
        self._complete = complete
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._shown = self._open()
        self._thread = threading.Thread(target=self._follow, name="generations", daemon=True)

    def __enter__(self) -> GenerationFollower[_T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        with self._lock:
            self._shown.is_replaced = True
            unused = self._shown.readers == 0
        if unused:
            self._shown.value.close()

    @contextlib.contextmanager
    def read(self) -> Iterator[_T]:
        """Yield the newest generation that is ready; it stays open until the block ends."""
        with self._lock:
            shown = self._shown
            shown.readers += 1
        try:
            yield shown.value
        finally:
            with self._lock:
                shown.readers -= 1
                unused = shown.is_replaced and shown.readers == 0
            if unused:
                shown.value.close()

    def _open(self) -> _Shown[_T]:
        # Before the file is opened: a file that is replaced meanwhile is looked at again.
        identity = identify_database(self._database)
        return _Shown(self._prepare(), identity)

    def _follow(self) -> None:
        failed: Identity | None = None
        self._complete_shown()
        while not self._stopped.wait(self._poll_seconds):
            identity = None
            try:
                identity = identify_database(self._database)
                if identity not in {self._shown.identity, failed}:
                    self._replace(self._open())
                    self._complete_shown()
            except FloorlineError as error:  # the generation before stays
                if identity is not None:
                    failed = identity
                    LOG.warning("the dashboard stays with older data: %s", error)

    def _complete_shown(self) -> None:
        """Take the steps that complete what is shown, while no newer file is there."""
        shown = self._shown
        # Where a step fails, the pages that need it say why.
        with contextlib.suppress(FloorlineError):
            for _ in self._complete(shown.value):
                if self._stopped.is_set() or identify_database(self._database) != shown.identity:
                    return

    def _replace(self, new: _Shown[_T]) -> None:
        with self._lock:
            old, self._shown = self._shown, new
            old.is_replaced = True
            unused = old.readers == 0
        if unused:
            old.value.close()

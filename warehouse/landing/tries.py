"""Count the tries to load a landing, on disk: a try that ends its process counts, too."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from common.files import translate_os_errors
from common.warehouse_errors import WarehouseFull
from warehouse.landing.integrity import encode_json, read_json
from warehouse.landing.reader import CorruptLanding, refuse_corrupt_files

FILE: Final = "tries.json"
MAX_FAILED: Final = 3
# Tries that killed their process, or during which somebody did: nobody kills so many loads of one landing.
MAX_UNFINISHED: Final = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Tries:
    """The tries to load a landing: those that failed, and those that have begun and have no known end."""

    failed: int = 0
    unfinished: int = 0

    @property
    def are_exhausted(self) -> bool:
        """Whether the landing is not tried again by itself."""
        return self.failed >= MAX_FAILED or self.unfinished >= MAX_UNFINISHED

    def __bool__(self) -> bool:
        return self != Tries()


def read_tries(folder: Path) -> Tries:
    """Return the tries of a landing; a file that cannot be read counts as one without an end."""
    path = folder / FILE
    if not os.path.lexists(path):
        return Tries()
    try:
        return read_json(path, Tries)
    except (OSError, ValueError):
        return Tries(unfinished=1)


def write_tries(folder: Path, tries: Tries) -> None:
    """Replace the tries of a landing. Raises WarehouseFull; CorruptLanding where it cannot be written.

    Not synchronized: the file outlives a process that dies, and a power failure is not the landing's fault.
    """
    with translate_os_errors(folder), refuse_corrupt_files(folder):
        if tries:
            (folder / FILE).write_bytes(encode_json(tries))
        else:
            (folder / FILE).unlink(missing_ok=True)


@contextlib.contextmanager
def count_try(folder: Path) -> Iterator[None]:
    """Count a try while it runs; afterwards it counts only where this process ended during the try.

    A try that loads the landing, or proves that it cannot be loaded, clears the earlier ones without an end.
    Raises as `write_tries`.
    """
    before = read_tries(folder)
    write_tries(folder, dataclasses.replace(before, unfinished=before.unfinished + 1))
    after = before
    try:
        yield
        after = dataclasses.replace(before, unfinished=0)
    except CorruptLanding:
        after = dataclasses.replace(before, unfinished=0)
        raise
    finally:
        with contextlib.suppress(CorruptLanding, WarehouseFull):
            write_tries(folder, after)


def count_failure(folder: Path) -> Tries:
    """Count a try that failed, and return the tries. Raises as `write_tries`."""
    tries = Tries(failed=read_tries(folder).failed + 1)
    write_tries(folder, tries)
    return tries

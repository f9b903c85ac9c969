"""The standard streams of a command: closed ones, encodings that lack a character, failed writes.

A name such as "★ Karambit" comes out whole: files and pipes get UTF-8, a terminal its own encoding, in which
a backslash escape stands for a character that it lacks.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
# A closed stream opens nothing in its place that could be written or read: else the next file that the
# process opens, such as the database, would get the number of the stream and what is printed.
REFUSING: Final = (os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)


class StandardOutput(io.FileIO):
    """The file of a standard stream; it keeps the error of a failed write as `failure`."""

    failure: OSError | None = None

    def write(self, content: ReadableBuffer, /) -> int:
        """Write as FileIO does."""
        try:
            return super().write(content)
        except OSError as error:
            self.failure = error
            raise


def prepare_streams() -> None:
    """Make the standard streams safe: stdin and stdout raise OSError where they are closed."""
    for number, (name, mode) in enumerate(STREAMS):
        if getattr(sys, name) is None:
            _occupy(number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    sys.stdout, sys.stderr = map(_guard, (sys.stdout, sys.stderr))
    for name in ("COLUMNS", "LINES"):  # Rich fails on digits that are no ASCII
        if not os.environ.get(name, "").isascii():
            del os.environ[name]


def give_up_broken(stream: TextIO) -> OSError | None:
    """Return the error that kept a stream from being written, if any; what the stream holds is given up."""
    file = stream.buffer.raw if isinstance(stream, io.TextIOWrapper) else None
    with contextlib.suppress(OSError):
        stream.flush()
    if not isinstance(file, StandardOutput) or file.failure is None:
        return None
    # Python would try again at its exit, and end with a code of its own.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    failure, file.failure = file.failure, None
    return failure


def _guard(stream: TextIO) -> TextIO:
    """Return a stream to the same file that keeps the error of a failed write, in the right encoding."""
    if not isinstance(stream, io.TextIOWrapper):  # it is no file, but what a caller of `main` collects
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(StandardOutput(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding if stream.isatty() else "utf-8",
        errors="backslashreplace",
        line_buffering=stream.line_buffering or stream.write_through,
    )


def _occupy(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, REFUSING[number])
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)

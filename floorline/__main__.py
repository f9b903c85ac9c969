"""The command `floorline`, also as `python -m floorline`."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys

from floorline.collection import paused_collection
from floorline.signals import was_interrupted

INTERRUPTED = 130


class _Ending:
    """The end of the process, without Python's finalization.

    Python would free every object for 40 ms, although the system frees the memory at once. And a library in C
    whose import Ctrl-C ended is half initialised: DuckDB 1.5 crashes when Python finalizes it. Functions
    registered with atexit later than this one run before it.
    """

    code: int | None = None

    def exit_at_once(self) -> None:
        """Exit with `code`, if there is one."""
        if self.code is not None:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(self.code)


def main() -> None:
    """Be the process of one command, which ends with the command."""
    # Pydantic would look for plugins of its own in the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Python would look for cycles after every 700 new objects, and find next to none.
    gc.set_threshold(20_000)
    ending = _Ending()
    atexit.register(ending.exit_at_once)
    try:
        run_command_line()
    except SystemExit as ended:
        ending.code = 0 if ended.code is None else ended.code if isinstance(ended.code, int) else None
        raise


def run_command_line() -> None:
    """Load the command line and run it; a Ctrl-C while it loads ends the command as any later one does."""
    try:
        with paused_collection():
            from floorline.cli.app import run
        run()
    except BaseException as error:
        if not was_interrupted(error):
            raise
        if not isinstance(error, SystemExit):
            sys.stderr.write("floorline: interrupted\n")
            error = SystemExit(INTERRUPTED)
        raise error from None


if __name__ == "__main__":
    main()

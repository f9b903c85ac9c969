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
    """The end of the process, which Ctrl-C must not turn into a crash.

    A library in C whose import Ctrl-C ended is half initialised: DuckDB 1.5 crashes when Python finalizes it.
    So the process ends without that. Functions registered with atexit later than this one run before it.
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
    """Load the command line and run it; a Ctrl-C while it loads ends the command as any later one does."""
    # At its exit, Python searches all objects for cycles three times: a tenth of a second for nothing.
    atexit.register(gc.freeze)
    ending = _Ending()
    atexit.register(ending.exit_at_once)
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
        # What went wrong after the Ctrl-C may have another code.
        ending.code = error.code if isinstance(error.code, int) else None
        raise error from None


if __name__ == "__main__":
    main()

"""The command `floorline`, also as `python -m floorline`."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys

from floorline.signals import was_interrupted

INTERRUPTED = 130


class _Ending:
    """The end of the process, which Ctrl-C must not turn into a crash.

    A library in C whose import Ctrl-C ended is half initialised: DuckDB 1.5 crashes when Python finalizes it.
    So the process ends without that. Functions registered with atexit later than this one run before it.
    """

    interrupted = False

    def exit_at_once(self) -> None:
        if self.interrupted:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(INTERRUPTED)


def main() -> None:
    """Load the command line and run it; a Ctrl-C while it loads ends the command as any later one does."""
    ending = _Ending()
    atexit.register(ending.exit_at_once)
    try:
        from floorline.cli.app import run

        run()
    except BaseException as error:
        ending.interrupted = was_interrupted(error)
        if isinstance(error, SystemExit) or not ending.interrupted:
            raise
        sys.stderr.write("floorline: interrupted\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()

"""The command `floorline`, also as `python -m floorline`."""

from __future__ import annotations

import sys

from floorline.signals import list_causes


def main() -> None:
    """Load the command line and run it; a Ctrl-C while it loads ends the command as any later one does."""
    try:
        from floorline.cli.app import run
    except BaseException as error:
        if not any(isinstance(cause, KeyboardInterrupt) for cause in list_causes(error)):
            raise
        sys.stderr.write("floorline: interrupted\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()

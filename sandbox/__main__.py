"""Serve a sandbox in the foreground: `python -m sandbox`."""

import sys

from sandbox.options import Options
from sandbox.server import run

if __name__ == "__main__":
    try:
        run(Options.parse(sys.argv[1:]))
    except (OSError, ValueError) as error:
        sys.exit(f"sandbox: {error}")

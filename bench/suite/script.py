"""Time the short script from the sandbox's log entry of its request to its published file.

    python -m bench.suite.script URL FOLDER

The folder keeps its database from one time to the next.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench.rivals.short_script import take_snapshot
from bench.suite.floorline import find_request
from sandbox.cs2cap.keys import VALID_KEY


def main() -> None:
    """Print the seconds and the rows."""
    url, folder = sys.argv[1:3]
    rows, changed = take_snapshot(url, VALID_KEY, Path(folder))
    ended = time.time()
    print(json.dumps({"seconds": ended - find_request(url), "rows": rows, "changed": changed}))


if __name__ == "__main__":
    main()

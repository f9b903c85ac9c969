"""Break a shared warehouse in one way, and print what was done and found.

    python -m bench.fault_injection loader-kills|worker-kills|cut-off|resume|outages|transfer-kills [--seed 1]

PostgreSQL is Debian's, the object store is moto, the API a sandbox. Exits with 1 where something does not
hold.
"""

from __future__ import annotations

import argparse
import random

from bench.checks import Checks
from bench.fault_injection import cut_off, loader_kills, outages, resume, transfer_kills, worker_kills

PARTS = {
    "loader-kills": loader_kills.run,
    "worker-kills": worker_kills.run,
    "cut-off": cut_off.run,
    "resume": resume.run,
    "outages": outages.run,
    "transfer-kills": transfer_kills.run,
}


def main() -> None:
    """Run one part, and exit with 1 where something does not hold."""
    parser = argparse.ArgumentParser(description="Break a shared warehouse, and check what must hold.")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    options = parser.parse_args()
    checks = Checks()
    PARTS[options.part](checks, random.Random(options.seed))
    checks.exit()


if __name__ == "__main__":
    main()

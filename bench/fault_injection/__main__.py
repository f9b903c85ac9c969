"""Break a shared warehouse in one way, and print what was done and found.

    python -m bench.fault_injection loader-kills|worker-kills|cut-off|resume|outages|transfer-kills [--seed 1]

PostgreSQL is Debian's, the object store is moto, the API a sandbox. Exits with 1 where something does not
hold.
"""

from __future__ import annotations

import argparse
import random
import sys

from bench.fault_injection import cut_off, loader_kills, outages, resume, transfer_kills, worker_kills
from bench.fault_injection.findings import Findings

PARTS = {
    "loader-kills": loader_kills.run,
    "worker-kills": worker_kills.run,
    "cut-off": cut_off.run,
    "resume": resume.run,
    "outages": outages.run,
    "transfer-kills": transfer_kills.run,
}


def main() -> int:
    """Run one part; return the exit code."""
    parser = argparse.ArgumentParser(description="Break a shared warehouse, and check what must hold.")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    options = parser.parse_args()
    findings = Findings()
    PARTS[options.part](findings, random.Random(options.seed))
    return findings.conclude()


if __name__ == "__main__":
    sys.exit(main())

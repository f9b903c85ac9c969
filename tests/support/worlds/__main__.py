"""Check worlds by hand: `python -m tests.support.worlds KIND SEED [SEED ...] [--in-order]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.support.worlds.checks import check_world
from tests.support.worlds.generator import generate_world


def main() -> int:
    """Print the differences of some worlds from the model; return how many worlds have any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind")
    parser.add_argument("seeds", nargs="+", type=int)
    parser.add_argument("--in-order", action="store_true")
    arguments = parser.parse_args()
    wrong = 0
    for seed in arguments.seeds:
        world = generate_world(arguments.kind, seed)
        with tempfile.TemporaryDirectory() as folder:
            texts = check_world(world, Path(folder) / "warehouse", in_order=arguments.in_order)
        wrong += bool(texts)
        sys.stdout.write("\n".join([f"{arguments.kind} {seed}: {len(texts)} differences", *texts, ""]))
    return wrong


if __name__ == "__main__":
    sys.exit(main())

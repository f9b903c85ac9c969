"""Random worlds: the public views show what an independent model says, in any order of loading.

`python -m tests.support.worlds KIND SEED [SEED ...]` shows how worlds differ, of any seed: after a change of
the loads or of the views, check many more than the tests do.
"""

from pathlib import Path

import pytest

from tests.support.worlds.checks import check_world
from tests.support.worlds.generator import generate_world
from tests.support.worlds.kinds import KINDS

pytestmark = pytest.mark.file_warehouse("rebuilds; lake/test_same_landings.py has a world in a lake")

SEEDS = range(2)  # one in order, one in any order; tests.support.worlds draws others


def is_in_order(kind: str, seed: int) -> bool:
    """Return whether to load a world in order: every third one, and those without anything unusual."""
    return kind == "plain" or seed % 3 == 0


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        pytest.param(
            kind,
            seed,
            id=f"{kind.replace(' ', '-')}-{seed}",
            marks=() if (kind, seed) == ("everything", 0) else pytest.mark.slow,
        )
        for kind in (*KINDS, "shrinking")
        for seed in SEEDS
    ],
)
def test_views_of_a_world_equal_the_model(tmp_path: Path, kind: str, seed: int) -> None:
    differences = check_world(
        generate_world(kind, seed), tmp_path / "warehouse", in_order=is_in_order(kind, seed)
    )
    assert differences == [], "\n".join(differences)

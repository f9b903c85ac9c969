"""Random worlds: the public views show what an independent model says, in any order of loading.

`python -m tests.support.worlds KIND SEED [SEED ...]` shows how worlds differ, of any seed: after a change of
the loads or of the views, check many more than the tests do.
"""

from pathlib import Path

import pytest

from tests.support.worlds.checks import check_world
from tests.support.worlds.generator import generate_world
from tests.support.worlds.kinds import KINDS

SEEDS = range(1, 10)


def worlds(kind: str, seeds: range) -> list[object]:
    return [pytest.param(kind, seed, id=f"{kind.replace(' ', '-')}-{seed}") for seed in seeds]


def is_in_order(kind: str, seed: int) -> bool:
    """Return whether to load a world in order: every third one, and those without anything unusual."""
    return kind == "plain" or seed % 3 == 0


@pytest.mark.parametrize(
    ("kind", "seed"), [world for kind in ("plain", "late", "everything") for world in worlds(kind, range(1))]
)
def test_views_of_a_world_equal_the_model(tmp_path: Path, kind: str, seed: int) -> None:
    differences = check_world(
        generate_world(kind, seed), tmp_path / "warehouse", in_order=is_in_order(kind, seed)
    )
    assert differences == [], "\n".join(differences)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "seed"), [world for kind in (*KINDS, "shrinking") for world in worlds(kind, SEEDS)]
)
def test_views_of_many_worlds_equal_the_model(tmp_path: Path, kind: str, seed: int) -> None:
    differences = check_world(
        generate_world(kind, seed), tmp_path / "warehouse", in_order=is_in_order(kind, seed)
    )
    assert differences == [], "\n".join(differences)

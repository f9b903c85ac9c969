"""The result of `floorline init`."""

from __future__ import annotations

import dataclasses

from floorline.cli.outputs.plan import PlanOutput
from floorline.setup.creation import Creation
from pipelines.config_check import Selection


@dataclasses.dataclass(frozen=True, slots=True)
class StepOutput:
    """A command that comes next, and what it does."""

    command: str
    purpose: str


@dataclasses.dataclass(frozen=True, slots=True)
class SetupOutput:
    """The configuration that was written, what its baskets select, and what they cost.

    `key_file` has the key of the sandbox, null for a real API. `plan` is null where the cost is not known.
    """

    path: str
    key_file: str | None
    baskets: tuple[Selection, ...]
    plan: PlanOutput | None
    next_steps: tuple[StepOutput, ...]

    @classmethod
    def from_creation(cls, creation: Creation) -> SetupOutput:
        """Return a configuration that was created as it is printed."""
        return cls(
            path=str(creation.path),
            key_file=str(creation.key_file) if creation.key_file else None,
            baskets=tuple(creation.selections),
            plan=None if creation.forecasts is None else PlanOutput.from_forecasts(creation.forecasts),
            next_steps=tuple(StepOutput(*step) for step in creation.next_steps.items()),
        )

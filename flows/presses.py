"""Which press the pages of a shard go to: threads of this process or, of long walks, a process of its own."""

from __future__ import annotations

from typing import Final, Self

from connectors.plan import Plan, Shard
from flows.press import Press
from flows.press_apart import PressApart

# The process takes about as long to start as it saves on so many pages.
MANY: Final = 200


class Presses:
    """The presses of a run. Use it in one event loop."""

    def __init__(self) -> None:
        self._here = Press()
        self._apart = PressApart()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Finish what is in hand."""
        self._here.close()
        await self._apart.close()

    def prepare(self, plan: Plan) -> None:
        """Have the process start where a plan is worth it."""
        if plan.requests >= MANY and any(_portable(shard) for shard in plan.shards):
            self._apart.start()

    def of(self, shard: Shard) -> Press | PressApart:
        """The press for the pages of `shard`, the same for all of them."""
        return self._apart if self._apart.started and _portable(shard) else self._here


def _portable(shard: Shard) -> bool:
    """Whether what makes its pages can go to another process: what it wants of them would go with each."""
    return shard.route == "catalog" and shard.items is None

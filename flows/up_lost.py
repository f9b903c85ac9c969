"""Flow runs whose process is gone: an automation marks them Crashed, which also frees their slot.

Prefect itself waits up to five minutes for the slot, and leaves the run Running for ever.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from prefect.automations import AutomationCore, EventTrigger, Posture, ResourceSpecification
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState

from flows.deployments import HEARTBEAT, TAG

NAME: Final = "floorline marks lost runs"
SILENT: Final = timedelta(seconds=3 * HEARTBEAT)


def automation() -> AutomationCore:
    """The automation: after a sign of life of a flow run of ours, three heartbeats without another."""
    return AutomationCore(
        name=NAME,
        description="Marks a flow run Crashed when neither a heartbeat nor a change of state is heard of it.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"}
            ),
            for_each={"prefect.resource.id"},
            after={"prefect.flow-run.heartbeat", "prefect.flow-run.Pending", "prefect.flow-run.Running"},
            expect={"prefect.flow-run.*"},
            threshold=1,
            within=SILENT,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                force=False,  # a heartbeat heard after the end of its run must not change that end
                message=f"nothing was heard of its process for {SILENT.seconds} seconds",
            )
        ],
    )


async def install(client: PrefectClient) -> None:
    """Put the automation in place, however often this is called."""
    wanted = automation()
    found = await client.read_automations_by_name(NAME)
    if found:
        await client.update_automation(found[0].id, wanted)
    else:
        await client.create_automation(wanted)

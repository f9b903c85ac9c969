"""Installing automations.yaml in a Prefect server: made once, brought up to date after that."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import yaml
from prefect.automations import EventTrigger, Posture, ResourceSpecification
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, CallWebhook, ChangeFlowRunState, DoNothing, SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectNotFound

from common.errors import ConfigError
from flows.deployments import HEARTBEAT, TAG
from pipelines.alerts.notify import BLOCK
from pipelines.alerts.silence import MISSED_INTERVALS
from pipelines.config import Settings

FILE: Final = "automations.yaml"
OURS: Final = "floorline: "  # how the names of our automations begin; what else is so called is taken away
SHORTEST: Final = 10  # seconds that Prefect can wait for what does not come


@dataclasses.dataclass(frozen=True, slots=True)
class AppliedAutomation:
    """What was done with one automation: created, updated, unchanged or removed."""

    name: str
    done: str


async def apply_automations(settings: Settings, file: Path | None = None) -> list[AppliedAutomation]:
    """Install the automations of `file` (beside the configuration by default) in the configured server.

    Raises ConfigError for a file that is not there or not understood, and for a block that does not exist.
    """
    specs = _read(file or settings.base / FILE)
    async with get_client() as client:
        blocks = [
            await _find_block(client, entry) for entry in settings.alerts.notify if entry.startswith(BLOCK)
        ]
        wanted = [_automation(spec, blocks) for spec in _expanded(specs, settings)]
        there = [one for one in await client.read_automations(limit=200) if one.name.startswith(OURS)]
        done = [await _install(client, one, there) for one in wanted]
        return [*done, *[await _remove(client, one) for one in there if one.name not in _names(wanted)]]


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        found = yaml.safe_load(file.read_text("utf-8"))
        return [dict(spec) for spec in found["automations"]]
    except FileNotFoundError:
        raise ConfigError(f"there is no {file}: it says of what Prefect is to tell people") from None
    except (OSError, ValueError, TypeError, LookupError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be understood: {' '.join(str(error).split())}") from None


def _expanded(specs: Sequence[Mapping[str, Any]], settings: Settings) -> Iterator[dict[str, Any]]:
    """Each automation; one that is for `each` basket, once for each of them."""
    for spec in specs:
        rest = {name: value for name, value in spec.items() if name != "each"}
        if "each" not in spec:
            yield rest
            continue
        for basket in settings.baskets:
            silence = max(int(MISSED_INTERVALS * basket.every.total_seconds()), SHORTEST)
            yield _fill_placeholders(rest, {"{basket}": basket.name, "{silence}": str(silence)})


def _fill_placeholders(value: Any, known: Mapping[str, str]) -> Any:  # noqa: ANN401 - as YAML has it
    """The same with every placeholder in its texts filled in."""
    text = json.dumps(value)
    for placeholder, told in known.items():
        text = text.replace(placeholder, json.dumps(told)[1:-1])
    return json.loads(text)


async def _find_block(client: PrefectClient, entry: str) -> tuple[str, UUID]:
    """The type and the id of the block that `block:TYPE/NAME` points to."""
    kind, _, name = entry.removeprefix(BLOCK).partition("/")
    try:
        document = await client.read_block_document_by_name(name, kind, include_secrets=False)
    except ObjectNotFound:
        raise ConfigError(f"[alerts] notify: Prefect has no block {kind}/{name}: make it first") from None
    return kind, document.id


def _automation(spec: Mapping[str, Any], blocks: Sequence[tuple[str, UUID]]) -> AutomationCore:
    try:
        actions = [_action(kind, number, spec) for kind, number in blocks] or [DoNothing()]
        trigger = {**spec["trigger"], "within": timedelta(seconds=float(spec["trigger"]["within"]))}
        named = {name: spec[name] for name in ("name", "description")}
        return AutomationCore.model_validate({**named, "trigger": trigger, "actions": actions})
    except (ValueError, TypeError, LookupError) as error:
        told = " ".join(str(error).split())
        raise ConfigError(f"the automation {spec.get('name')} cannot be understood: {told}") from None


def _action(kind: str, number: UUID, spec: Mapping[str, Any]) -> ActionTypes:
    if kind == "webhook":
        return CallWebhook(block_document_id=number, payload=spec["payload"])
    return SendNotification(block_document_id=number, subject=spec["subject"], body=spec["body"])


def _names(automations: Sequence[AutomationCore]) -> set[str]:
    return {automation.name for automation in automations}


async def _install(
    client: PrefectClient, wanted: AutomationCore, there: Sequence[Automation]
) -> AppliedAutomation:
    found = [one for one in there if one.name == wanted.name]
    if not found:
        await client.create_automation(wanted)
        return AppliedAutomation(wanted.name, "created")
    if _content(found[0]) == _content(wanted):
        return AppliedAutomation(wanted.name, "unchanged")
    await client.update_automation(found[0].id, wanted)
    return AppliedAutomation(wanted.name, "updated")


def _content(automation: AutomationCore) -> dict[str, Any]:
    fields = ("description", "trigger", "actions", "enabled")
    content = {name: automation.model_dump(mode="json")[name] for name in fields}
    content["trigger"].pop("id", None)
    return content


async def _remove(client: PrefectClient, one: Automation) -> AppliedAutomation:
    await client.delete_automation(one.id)
    return AppliedAutomation(one.name, "removed")


NAME: Final = "floorline marks lost runs"
LOST_AFTER: Final = timedelta(seconds=3 * HEARTBEAT)


def crash_automation() -> AutomationCore:
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
            within=LOST_AFTER,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                force=False,  # a heartbeat heard after the end of its run must not change that end
                message=f"nothing was heard of its process for {LOST_AFTER.seconds} seconds",
            )
        ],
    )


async def install_crash_automation() -> None:
    """Create the automation that marks lost runs, or update it."""
    automation = crash_automation()
    async with get_client() as client:
        existing = await client.read_automations_by_name(NAME)
        if existing:
            await client.update_automation(existing[0].id, automation)
        else:
            await client.create_automation(automation)

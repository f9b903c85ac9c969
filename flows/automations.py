"""Install automations in a Prefect server: those of automations.yaml, and one that marks lost runs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from importlib import resources
from importlib.resources.abc import Traversable
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
from common.files import read_user_file
from common.text import escape
from flows.deployments import HEARTBEAT, TAG
from pipelines.alerts.channels import BLOCK
from pipelines.alerts.silence import MISSED_INTERVALS
from pipelines.config import Settings

FILE: Final = "automations.yaml"
SHIPPED: Final = resources.files("flows") / FILE
NAME_PREFIX: Final = "floorline: "  # an automation with this prefix that is not in the file is removed
PAGE: Final = 200  # automations, the most that a response has
MIN_SILENCE: Final = 10  # seconds, the shortest that Prefect can wait for a missing event
CRASH_AUTOMATION: Final = "floorline marks lost runs"
LOST_AFTER: Final = timedelta(seconds=3 * HEARTBEAT)
# The events of a run that a worker has taken, each of which another one or the end must follow.
SIGNS_OF_LIFE: Final = (
    "Pending", "Submitting", "InfrastructurePending", "pull-step.executed", "Running", "heartbeat",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class AppliedAutomation:
    """One automation and what was done: created, updated, unchanged or removed."""

    name: str
    done: str


async def apply_automations(settings: Settings, file: Path | None = None) -> list[AppliedAutomation]:
    """Install the automations of `file` in Prefect's server.

    By default, that is the file beside the configuration, or else the one that Floorline ships.
    Raises ConfigError for a missing or invalid file, and for a notification block that does not exist.
    """
    own = settings.base / FILE
    specs = _read_specs(file or (own if own.exists() else SHIPPED))
    async with get_client() as client:
        blocks = [
            await _find_block(client, entry) for entry in settings.alerts.notify if entry.startswith(BLOCK)
        ]
        automations = [_build_automation(spec, blocks) for spec in _expand(specs, settings)]
        names = {automation.name for automation in automations}
        installed = [one for one in await _read_all(client) if one.name.startswith(NAME_PREFIX)]
        applied = [await _install(client, automation, installed) for automation in automations]
        for obsolete in [one for one in installed if one.name not in names]:
            await client.delete_automation(obsolete.id)
            applied.append(AppliedAutomation(obsolete.name, "removed"))
        return applied


async def _read_all(client: PrefectClient) -> list[Automation]:
    """Return all automations of the server."""
    found: list[Automation] = []
    while page := await client.read_automations(limit=PAGE, offset=len(found)):
        found += page
    return found


def _read_specs(file: Path | Traversable) -> list[dict[str, Any]]:
    try:
        content = yaml.safe_load(read_user_file(file))
        return [dict(spec) for spec in content["automations"]]
    except FileNotFoundError:
        raise ConfigError(f"there is no {file}: it defines the automations to install") from None
    except OSError as error:
        raise ConfigError(f"{escape(str(file))} cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(
            f"{escape(str(file))} is no YAML{line}: see the automations.yaml of Floorline"
        ) from None
    except (ValueError, TypeError, LookupError, RecursionError, yaml.YAMLError):
        raise ConfigError(
            f"{escape(str(file))} has no list `automations`: see the automations.yaml of Floorline"
        ) from None


def _expand(specs: Sequence[Mapping[str, Any]], settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield each automation; one with `each: basket` once for every basket."""
    for spec in specs:
        fields = {name: value for name, value in spec.items() if name != "each"}
        if "each" not in spec:
            yield fields
            continue
        for basket in settings.baskets:
            silence = max(int(MISSED_INTERVALS * basket.every.total_seconds()), MIN_SILENCE)
            values = {"{basket}": basket.name, "{source}": basket.source, "{silence}": str(silence)}
            yield _fill_placeholders(fields, values)


def _fill_placeholders(value: Any, values: Mapping[str, str]) -> Any:  # noqa: ANN401 - any YAML value
    """Return the YAML value with each placeholder in its strings replaced."""
    text = json.dumps(value)  # strings at any depth
    for placeholder, replacement in values.items():
        text = text.replace(placeholder, json.dumps(replacement)[1:-1])
    return json.loads(text)


async def _find_block(client: PrefectClient, entry: str) -> tuple[str, UUID]:
    """Return the type and the id of the block that `block:TYPE/NAME` names."""
    block_type, _, name = entry.removeprefix(BLOCK).partition("/")
    try:
        document = await client.read_block_document_by_name(name, block_type, include_secrets=False)
    except ObjectNotFound:
        raise ConfigError(
            f"[alerts] notify: Prefect has no block {block_type}/{name}: create it first"
        ) from None
    return block_type, document.id


def _build_automation(spec: Mapping[str, Any], blocks: Sequence[tuple[str, UUID]]) -> AutomationCore:
    try:
        actions = [_build_action(spec, block_type, block_id) for block_type, block_id in blocks]
        trigger = {**spec["trigger"], "within": timedelta(seconds=float(spec["trigger"]["within"]))}
        names = {name: spec[name] for name in ("name", "description")}
        return AutomationCore.model_validate(
            {**names, "trigger": trigger, "actions": actions or [DoNothing()]}
        )
    except (ValueError, TypeError, LookupError):
        name = escape(str(spec.get("name")))
        raise ConfigError(
            f"the automation {name} lacks a field, or has one that Prefect does not take:"
            " see the automations.yaml of Floorline"
        ) from None


def _build_action(spec: Mapping[str, Any], block_type: str, block_id: UUID) -> ActionTypes:
    if block_type == "webhook":
        return CallWebhook(block_document_id=block_id, payload=spec["payload"])
    return SendNotification(block_document_id=block_id, subject=spec["subject"], body=spec["body"])


async def _install(
    client: PrefectClient, automation: AutomationCore, installed: Sequence[Automation]
) -> AppliedAutomation:
    existing = next((one for one in installed if one.name == automation.name), None)
    if existing is None:
        await client.create_automation(automation)
        return AppliedAutomation(automation.name, "created")
    if _content(existing) == _content(automation):
        return AppliedAutomation(automation.name, "unchanged")
    await client.update_automation(existing.id, automation)
    return AppliedAutomation(automation.name, "updated")


def _content(automation: AutomationCore) -> dict[str, Any]:
    """Return the fields that decide whether an installed automation is up to date."""
    fields = ("description", "trigger", "actions", "enabled")
    content = {name: automation.model_dump(mode="json")[name] for name in fields}
    content["trigger"].pop("id", None)  # Prefect gives each trigger its own id
    return content


def _crash_automation() -> AutomationCore:
    """Return the automation that marks a flow run as crashed after three missed heartbeats."""
    return AutomationCore(
        name=CRASH_AUTOMATION,
        description="Marks a flow run Crashed when it sends neither a heartbeat nor a change of state.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"}
            ),
            for_each={"prefect.resource.id"},
            after={f"prefect.flow-run.{event}" for event in SIGNS_OF_LIFE},
            expect={"prefect.flow-run.*"},
            threshold=1,
            within=LOST_AFTER,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                force=False,  # a heartbeat that arrives after the end of its run must not change that end
                message=f"no sign of life from its process for {LOST_AFTER.seconds} seconds",
            )
        ],
    )


async def install_crash_automation() -> None:
    """Create the automation that marks lost runs, or update it."""
    automation = _crash_automation()
    async with get_client() as client:
        existing = await client.read_automations_by_name(CRASH_AUTOMATION)
        if existing:
            await client.update_automation(existing[0].id, automation)
        else:
            await client.create_automation(automation)

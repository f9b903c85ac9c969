"""The type of each command's result, and its JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from floorline.cli.json_output import Envelope
from floorline.cli.outputs import (
    backfill,
    backup,
    catalog,
    operation,
    plan,
    runs,
    setup,
    status,
    watches,
)
from floorline.doctor.findings import Finding
from floorline.keys.rotation import Rotation
from floorline.price import ItemPrice
from pipelines.config_check import Selection
from pipelines.replay import Replayed
from pipelines.transfer import Transfer
from warehouse.loading.run import LoadReport
from warehouse.maintenance.sealing import SealReport
from warehouse.maintenance.sizes import TableSize
from warehouse.maintenance.verification import Verification
from warehouse.rebuild import RebuildResult
from warehouse.state.alerts import Alert

Rows = list[dict[str, Any]]
RESULTS: Final[Mapping[str, Any]] = {
    "init": setup.SetupOutput,
    "snapshot": list[runs.RunOutput],
    "plan": plan.PlanOutput,
    "gaps": plan.GapsOutput,
    "status": status.StatusOutput,
    "config check": list[Selection],
    "config show": dict[str, Any],  # the tables of a configuration, which `floorline config schema` describes
    "items search": catalog.ItemsOutput,
    "providers": list[catalog.ProviderOutput],
    "doctor": list[Finding],
    "price": list[ItemPrice],
    "query": Rows | list[Rows],
    "report": operation.FilesOutput,
    "export": operation.FilesOutput,
    "backup": backup.BackupOutput,
    "restore": backup.RestoreOutput,
    "migrate": Transfer,
    "ui": operation.PageOutput,
    "deployments": operation.DeploymentsOutput,
    "backfill": backfill.BackfillOutput,
    "backfill list": list[backfill.BackfillSummaryOutput],
    "backfill show": backfill.BackfillDetailsOutput,
    "backfill cancel": backfill.BackfillSummaryOutput,
    "alerts list": list[operation.AlertOutput],
    "alerts show": operation.AlertOutput,
    "alerts clear": Alert,
    "alerts accept": operation.AcceptedLossOutput,
    "alerts test": list[operation.ChannelOutput],
    "alerts check": operation.SilenceOutput,
    "alerts apply": list[operation.AutomationOutput],
    "watches list": list[watches.WatchOutput],
    "watches check": list[watches.WatchCheckOutput],
    "rejects list": Rows,
    "rejects replay": list[Replayed],
    "maintain load": list[LoadReport],
    "maintain retry": list[LoadReport],
    "maintain rebuild": RebuildResult,
    "maintain seal": SealReport,
    "maintain verify": Verification,
    "maintain sizes": list[TableSize],
    "key status": list[operation.KeyOutput],
    "key rotate": Rotation,
}


class _Schema(GenerateJsonSchema):
    def field_is_required(self, *_: object, **__: object) -> bool:
        """Return true: a field with a default is printed, too."""
        return True

    def field_title_should_be_set(self, *_: object) -> bool:
        """Return false: the title would repeat the name."""
        return False


def json_schema(command: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of what a command prints with `--json`."""
    envelope: Any = Envelope
    schema = TypeAdapter(envelope[RESULTS[command]]).json_schema(
        mode="serialization", schema_generator=_Schema
    )
    schema["properties"]["command"] = {"const": command}
    return {"$schema": _Schema.schema_dialect, **schema, "title": f"floorline {command} --json"}

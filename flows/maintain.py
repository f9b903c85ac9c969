"""The flow `maintain`: load pending landings, publish, seal months, verify, report; no request."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from common.clock import SystemClock
from common.errors import FloorlineError
from common.machine_errors import MachineError
from common.text import pluralize
from common.warehouse_errors import WarehouseError
from flows.nightly_report import publish_report, write_nightly_report
from flows.run_context import flow_run_name
from flows.schedule_runs import tend_schedule
from pipelines.alerts.silence import check_silence
from pipelines.config import load_settings
from pipelines.loading import load_in_thread
from pipelines.maintenance import seal_months, verify_warehouse
from pipelines.preparation import prepare_warehouse
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths
from warehouse.published import is_published


@flow(name="maintain", flow_run_name=lambda: flow_run_name("maintain"), persist_result=False)
async def maintain(config: str | None = None) -> State[Any]:
    """Maintain the warehouse of the configuration at `config`.

    Ends as Completed, or as Failed if the warehouse is locked, full or unusable, a landing is not
    loaded, the verification finds damage, or the report cannot be written.
    """
    settings = load_settings(Path(config) if config else None)
    clock = SystemClock()
    try:
        prepare_warehouse(settings, clock.now())
        loads = await load_in_thread(settings, [], clock)
        await asyncio.to_thread(check_silence, settings, clock.now())
        seals = await asyncio.to_thread(seal_months, settings, clock.now())
        problems = (await asyncio.to_thread(verify_warehouse, settings, clock.now())).problems
    except (WarehouseError, MachineError) as error:
        get_run_logger().error("%s", error)
        return Failed(message=str(error))
    await tend_schedule(settings, ["maintain"], (), every=timedelta(days=1), now=clock.now())
    await acreate_table_artifact(
        table=[_row(load) for load in loads],
        key="maintain",
        description="The pending landings that were loaded",
    )
    loaded = sum(load.is_loaded for load in loads)
    message = f"{pluralize(loaded, 'pending landing')} loaded"
    if seals.sealed:
        message += f"; {pluralize(len(seals.sealed), 'month')} sealed"
    failed = [f"{load.run_id} is {load.state}: {load.reason}" for load in loads if not load.is_loaded]
    failed += problems
    failed += await _report(settings.paths, clock.now())
    return Failed(message="; ".join([message, *failed])) if failed else Completed(message=message)


async def _report(paths: WarehousePaths, now: datetime) -> list[str]:
    """Write the report of the night where anything is published; return a line where that fails."""
    if not is_published(paths):
        return []
    try:
        await publish_report(await asyncio.to_thread(write_nightly_report, paths, now))
    except FloorlineError as error:
        return [f"the report of the night is not written: {error}"]
    return []


def _row(load: LoadReport) -> dict[str, Any]:
    return {
        "basket": load.basket,
        "source": load.source,
        "state": load.state,
        "rows": load.rows_fetched,
        "changed": load.rows_changed,
        "rejected": load.rows_rejected,
        "run": load.run_id,
    }

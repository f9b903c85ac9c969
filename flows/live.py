"""The flow `live`: follow the live feeds until the run is cancelled; a line in its log for each event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from common.errors import SourceError
from common.machine_errors import MachineError
from common.warehouse_errors import WarehouseError
from flows.run_context import FAILED_STATES, flow_run_name
from pipelines.config import load_settings
from pipelines.exit_codes import run_state
from pipelines.live.pipeline import LivePipeline


@flow(name="live", flow_run_name=lambda: flow_run_name("live"), persist_result=False, log_prints=False)
async def live(baskets: list[str] | None = None, config: str | None = None) -> State[Any]:
    """Follow the feeds of these live baskets (all by default) with the configuration at `config`.

    A run ends when it is cancelled, or in a state of FAILED_STATES.
    """
    settings, log = load_settings(Path(config) if config else None), get_run_logger()
    try:
        await LivePipeline(settings, tuple(baskets or ()), notify=lambda line: log.info("%s", line)).run()
    except SourceError as error:
        return Failed(name=FAILED_STATES[run_state(error, complete=False)], message=str(error))
    except (WarehouseError, MachineError) as error:
        return Failed(message=str(error))
    return Completed()

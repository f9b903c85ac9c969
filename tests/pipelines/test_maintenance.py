"""The maintenance raises an alert for damage, and closes the alert when the warehouse is whole again."""

from pathlib import Path

import pytest

from pipelines.config import Settings
from pipelines.config.tables import WarehouseSettings
from pipelines.maintenance import DAMAGED, seal_months, verify_warehouse
from tests.support.sealed_months import first_sealed_states
from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state

LATER = minute(90 * 24 * 60)


@pytest.mark.slow
def test_alert_about_damage_is_open_while_there_is_damage(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    settings = Settings(warehouse=WarehouseSettings(path=tmp_path))
    for number in range(2):
        land_and_load(paths, f"r{number}", observe(minute(number), Quote(cents=100 + number)))
    assert seal_months(settings, LATER).is_small
    assert len(seal_months(settings, LATER, every=True).sealed) == 2
    alerts = AlertStore(open_state(paths))
    file = first_sealed_states(paths)
    file.rename(tmp_path / "away")
    (problem,) = verify_warehouse(settings, LATER).problems
    assert [(alert.cause, alert.message) for alert in alerts.list_alerts(open_only=True)] == [
        (DAMAGED, problem)
    ]
    (tmp_path / "away").rename(file)
    assert verify_warehouse(settings, LATER).problems == ()
    assert alerts.list_alerts(open_only=True) == []

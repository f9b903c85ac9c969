"""Public names are defined in their modules, and importing an error loads no heavy library."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import connectors

PUBLIC_NAMES = {
    "common.clock": ("Clock", "SystemClock"),
    "common.errors": (
        *("AccountDisabled", "AddressDenied", "AuthRejected", "Busy", "ConfigError", "ConnectFailed"),
        *("ConnectionLost", "SourceError", "KeyInvalid", "KeyMissing", "KeyRevoked", "OutcomeUnknown"),
        *("PaginationError", "PlanForbids", "QuotaExhausted", "RateLimited", "RequestRejected"),
        *("RequestTimeout", "StreamsExhausted", "TransientError", "Unavailable", "UnexpectedResponse"),
    ),
    "common.severity": ("most_severe",),
    "common.warehouse_errors": ("WarehouseError", "WarehouseLocked", "WarehouseUnusable"),
    "common.shards": ("Item", "SeriesShard"),
    "connectors.base": ("Account", "Connector", "ExtractResult"),
    "connectors.cs2cap.client": ("Cs2capClient",),
    "connectors.cs2cap.connector": ("CS2Cap",),
    "connectors.http.auth": ("Key", "read_key"),
    "connectors.http.client": ("Client",),
    "connectors.http.retry": ("RetryPolicy",),
    "connectors.pages": ("PageSink", "Reject", "TypedPage"),
    "connectors.ratelimit.limiter": ("RateLimiter",),
    "connectors.schemas": ("FX", "ITEMS", "PROVIDERS", "QUOTES"),
    "connectors.shards": ("Shard",),
    "connectors.skinshark.connector": ("SkinShark",),
    "pipelines.planning.model": ("SnapshotPlan",),
    "pipelines.planning.selectors": ("resolve_currencies", "resolve_items", "resolve_providers"),
}


@pytest.mark.parametrize("module", PUBLIC_NAMES)
def test_public_names(module: str) -> None:
    imported = importlib.import_module(module)
    for name in PUBLIC_NAMES[module]:
        assert getattr(imported, name).__module__ == module or name.isupper() or name == "PageSink"


def test_unknown_name_is_no_attribute() -> None:
    assert not hasattr(connectors, "nonsense")


def test_importing_an_error_loads_no_heavy_library() -> None:
    script = (
        "import sys; from common.errors import ConfigError; print(*{'httpx', 'polars'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_httpx_and_tenacity_are_imported_by_one_module_each() -> None:
    root = Path(connectors.__file__).parent
    for library, module in (("httpx", "http/transport.py"), ("tenacity", "http/retry.py")):
        importers = {
            path.relative_to(root).as_posix()
            for path in root.rglob("*.py")
            if f"import {library}" in path.read_text()
        }
        assert importers == {module}

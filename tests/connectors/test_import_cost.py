"""Where the names stand that a connector is built of, and what an error costs to import."""

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
    home = importlib.import_module(module)
    for name in PUBLIC_NAMES[module]:
        assert getattr(home, name).__module__ == module or name.isupper() or name == "PageSink"


def test_any_other_name_is_unknown() -> None:
    assert not hasattr(connectors, "nonsense")


def test_an_error_is_imported_without_the_heavy_libraries() -> None:
    script = (
        "import sys; from common.errors import ConfigError; print(*{'httpx', 'polars'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_only_one_module_knows_httpx_and_one_tenacity() -> None:
    root = Path(connectors.__file__).parent
    for library, module in (("httpx", "http/transport.py"), ("tenacity", "http/retry.py")):
        users = {
            path.relative_to(root).as_posix()
            for path in root.rglob("*.py")
            if f"import {library}" in path.read_text()
        }
        assert users == {module}

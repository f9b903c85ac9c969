"""The names that other packages may rely on, and what they cost to import."""

import subprocess
import sys

import connectors


def test_public_names() -> None:
    assert set(connectors.__all__) == {
        *("Account", "AccountDisabled", "AddressDenied", "AuthRejected", "Busy", "CS2Cap", "Client", "Clock"),
        *("ConfigError", "Connector", "ContractBroken", "Disconnected", "FX", "FloorlineError", "ITEMS"),
        *("Item", "Key", "KeyInvalid", "KeyMissing", "KeyRevoked", "Land", "Outcome", "PROVIDERS", "Page"),
        *("Plan", "PlanForbids", "QUOTES", "QuotaExhausted", "RateLimited", "Reject", "RequestRejected"),
        *("RetryPolicy", "Shard", "SkinShark", "SystemClock", "Throttle", "Timeout", "Transient"),
        *(
            "OutcomeUnknown",
            "StreamsExhausted",
            "Unavailable",
            "Unreachable",
            "WalkBroken",
            "read_key",
            "resolve_currencies",
            "resolve_items",
            "resolve_providers",
        ),
    }
    for name in connectors.__all__:
        assert getattr(connectors, name) is not None


def test_any_other_name_is_unknown() -> None:
    assert not hasattr(connectors, "nonsense")


def test_an_error_is_imported_without_the_heavy_libraries() -> None:
    script = (
        "import sys; from connectors import ConfigError; print(*{'httpx', 'polars'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_only_one_module_knows_httpx_and_one_tenacity() -> None:
    from pathlib import Path

    home = Path(connectors.__file__).parent
    for library, module in (("httpx", "wire.py"), ("tenacity", "retry.py")):
        users = {path.name for path in home.glob("*.py") if f"import {library}" in path.read_text()}
        assert users == {module}

"""How to talk to a price API: authenticate, page, retry, classify, type. Knows neither Prefect nor DuckDB."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.auth import Key, read_key
    from connectors.base import (
        Account,
        Connector,
        Land,
        Outcome,
        Page,
    )
    from connectors.client import Client
    from connectors.clock import Clock, SystemClock
    from connectors.cs2cap import CS2Cap
    from connectors.errors import (
        AccountDisabled,
        AddressDenied,
        AuthRejected,
        Busy,
        ConfigError,
        ContractBroken,
        Disconnected,
        FloorlineError,
        KeyInvalid,
        KeyMissing,
        KeyRevoked,
        OutcomeUnknown,
        PlanForbids,
        QuotaExhausted,
        RateLimited,
        RequestRejected,
        StreamsExhausted,
        Timeout,
        Transient,
        Unavailable,
        Unreachable,
        WalkBroken,
    )
    from connectors.frames import (
        FX,
        ITEMS,
        PROVIDERS,
        QUOTES,
        Reject,
    )
    from connectors.plan import (
        Item,
        Plan,
        Shard,
    )
    from connectors.resolve import (
        resolve_currencies,
        resolve_items,
        resolve_providers,
    )
    from connectors.retry import RetryPolicy
    from connectors.skinshark import SkinShark
    from connectors.throttle import Throttle

__all__ = [
    "FX",
    "ITEMS",
    "PROVIDERS",
    "QUOTES",
    "Account",
    "AccountDisabled",
    "AddressDenied",
    "AuthRejected",
    "Busy",
    "CS2Cap",
    "Client",
    "Clock",
    "ConfigError",
    "Connector",
    "ContractBroken",
    "Disconnected",
    "FloorlineError",
    "Item",
    "Key",
    "KeyInvalid",
    "KeyMissing",
    "KeyRevoked",
    "Land",
    "Outcome",
    "OutcomeUnknown",
    "Page",
    "Plan",
    "PlanForbids",
    "QuotaExhausted",
    "RateLimited",
    "Reject",
    "RequestRejected",
    "RetryPolicy",
    "Shard",
    "SkinShark",
    "StreamsExhausted",
    "SystemClock",
    "Throttle",
    "Timeout",
    "Transient",
    "Unavailable",
    "Unreachable",
    "WalkBroken",
    "read_key",
    "resolve_currencies",
    "resolve_items",
    "resolve_providers",
]


# A name is looked up when it is first asked for, the light modules first: who only wants an error does not
# wait for polars and httpx.
_HOMES = (
    "errors",
    "clock",
    "auth",
    "retry",
    "throttle",
    "frames",
    "plan",
    "resolve",
    "base",
    "client",
    "cs2cap",
    "skinshark",
)


def __getattr__(name: str) -> object:
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"connectors.{home}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

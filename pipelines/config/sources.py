"""The tables [sources.NAME]: accounts at CS2Cap and SkinShark."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from pipelines.config.fields import Address, AnyCase, Deadline, Interval, KeyPlace, SubUser, Table


class SourceSettings(Table):
    """One account at one API. `kind` says which API; `key` says where the key is and never holds it."""

    kind: str
    base_url: Address = Field(description="The address of the API", examples=["https://api.cs2c.app"])
    key: KeyPlace = Field(
        description="Where the key is: env:VARIABLE, file:PATH or block:NAME", examples=["env:CS2C_API_KEY"]
    )
    tier: str = "auto"
    concurrency: int = Field(
        default=8, ge=1, le=64, description="Requests in flight at the same time, 1 to 64", examples=[8]
    )
    deadline: Deadline = Field(
        default=timedelta(seconds=30), description="The longest time for one request", examples=["30s"]
    )


class Cs2capSettings(SourceSettings):
    """An account at CS2Cap. With `tier` "auto", the tier is the one that the API reports for the key.

    Streams take longer than other responses and have their own `stream_deadline`. `sales` is the interval at
    which all sales are read, and `market_stats` that of the market figures; without it, nothing reads them.
    """

    kind: Literal["cs2cap"] = Field(default="cs2cap", description="Which API")
    base_url: Address = Field(
        default="https://api.cs2c.app",
        description="The address of the API",
        examples=["https://api.cs2c.app"],
    )
    key: KeyPlace = Field(
        default="env:CS2C_API_KEY",
        description="Where the key is: env:VARIABLE, file:PATH (mode 0600) or block:NAME (a Prefect"
        " Secret block);"
        " never the key itself",
        examples=["env:CS2C_API_KEY"],
    )
    tier: Annotated[Literal["auto", "free", "starter", "pro", "quant"], AnyCase] = Field(
        default="auto",
        description="The tier of the account; auto is the tier that the API reports, or that its limits show",
        examples=["pro"],
    )
    stream_deadline: Deadline = Field(
        default=timedelta(minutes=10), description="The longest time for one stream", examples=["10m"]
    )
    sales: Interval | None = Field(
        default=None,
        description="How often a deployment reads all sales; without this key, never",
        examples=["1h"],
    )
    market_stats: Interval | None = Field(
        default=None,
        description="How often a snapshot reads the market figures of all items (pro and quant);"
        " without this key, never",
        examples=["1d"],
    )


class SkinsharkSettings(SourceSettings):
    """A merchant's account at SkinShark. `market` and `include_fees` set the price basis of the source.

    `key_next` says where the next key is, which takes over when the first key is revoked; the next key may be
    missing. The API reports no tier: "auto" is the smallest one.
    """

    kind: Literal["skinshark"] = Field(default="skinshark", description="Which API")
    base_url: Address = Field(
        default="https://api.skinshark.gg",
        description="The address of the API",
        examples=["https://api.skinshark.gg"],
    )
    key: KeyPlace = Field(
        default="env:SKINSHARK_API_KEY",
        description="Where the key is: env:VARIABLE, file:PATH (mode 0600) or block:NAME (a Prefect"
        " Secret block);"
        " never the key itself",
        examples=["env:SKINSHARK_API_KEY"],
    )
    key_next: KeyPlace = Field(
        default="env:SKINSHARK_API_KEY_NEXT",
        description="Where the key is that is used when the API rejects the first key",
        examples=["env:SKINSHARK_API_KEY_NEXT"],
    )
    tier: Annotated[Literal["auto", "standard", "premium", "enterprise"], AnyCase] = Field(
        default="auto",
        description="The tier of the account; the API reports none, so auto is the smallest one",
        examples=["standard"],
    )
    market: Annotated[Literal["all", "c5", "ecosteam"], AnyCase] = Field(
        default="all",
        description="The marketplaces whose prices are listed; c5 or ecosteam alone where the server"
        " lists it alone",
        examples=["all"],
    )
    include_fees: bool = Field(
        default=False, description="Prices with the merchant's own fee", examples=[False]
    )
    on_behalf_of: SubUser | None = Field(
        default=None,
        description="The sub-user, by its id or externalId, in whose name offers and bids are read; such a"
        " source reads no asks",
        examples=["customer-7"],
    )


AnySource = Annotated[Cs2capSettings | SkinsharkSettings, Field(discriminator="kind")]

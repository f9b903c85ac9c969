"""The tables [warehouse] and [alerts], and the baskets."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ByteSize, Field, field_validator

from pipelines.config.fields import (
    AnyCase,
    Currency,
    Duration,
    Folder,
    Interval,
    Item,
    Many,
    Name,
    Provider,
    Receiver,
    Retention,
    Table,
)
from pipelines.config.schedules import check_cron, check_timezone


class WarehouseSettings(Table):
    """Where the warehouse is, how long landings and history are kept, its limits for disk space and locks.

    Above `seal_above`, `market.duckdb` reads the months that are over from files beside it.
    """

    path: Folder = Field(
        default=Path("data"),
        description="The folder of the database, the landings and the state; any name, if the whole path is"
        " UTF-8 and below 500 bytes",
        examples=["data"],
    )
    keep_landings: Duration = Field(
        default=timedelta(days=1), description="How long a loaded landing stays on disk", examples=["1d"]
    )
    least_free: ByteSize = Field(
        default=ByteSize(256_000_000), description="Free disk space that a run leaves", examples=["256MB"]
    )
    lock_wait: Duration = Field(
        default=timedelta(seconds=60),
        description="How long a loader waits for another one; with [shared], for one that loads nothing"
        " meanwhile",
        examples=["60s"],
    )
    keep_history: Retention | None = Field(
        default=None,
        description="How long the history is kept, by whole months, 31 days or more; without this key,"
        " all of it."
        " The best asks over time stay",
        examples=["730d"],
    )
    holdings: Folder | None = Field(
        default=None,
        description="A CSV file of what you own, for the view `portfolio`; without it, the view is empty",
        examples=["holdings.csv"],
    )
    seal_above: ByteSize = Field(
        default=ByteSize(200_000_000),
        description="The size of the database above which the nightly maintenance moves the months that"
        " are over"
        " into files",
        examples=["200MB"],
    )


class BasketSettings(Table):
    """The quotes that one run observes: items x providers x currencies, on a schedule.

    The schedule is `cron` in `timezone`, or else the interval `every`; with `cron`, `every` is the longest
    time between two runs. `fresh` is the age up to which a run reuses the pages of an interrupted run. `bids`
    adds the highest buy orders. `fx` says who converts currencies: the API with a request per currency, or
    the reader with one table of rates. `route` "auto" is the route with the fewest requests. `live` follows
    each change of the quotes in US dollars as the source tells it; the runs go on beside it. Baskets with the
    same `deployment` share their flow runs.
    """

    name: Name = Field(description="The name of the basket", examples=["core"])
    source: Name = Field(description="The name of the basket's source", examples=["cs2cap"])
    items: Many[Item] = Field(
        min_length=1,
        description="Names, ids, words, globs (* matches anything), file:PATH with one of these per line,"
        " or"
        ' "all"',
        examples=[["AK-47 | Redline (Field-Tested)"]],
    )
    providers: Many[Provider] = Field(
        default=("all",),
        min_length=1,
        description='Marketplaces by key or name, in any case, or "all"',
        examples=[["steam", "buff163"]],
    )
    currencies: Many[Currency] = Field(
        default=("USD",), min_length=1, description="Currency codes", examples=[["USD", "EUR"]]
    )
    every: Interval = Field(
        default=timedelta(minutes=10),
        description="The interval; with `cron`, the longest time between two runs",
        examples=["10m"],
    )
    cron: str | None = Field(
        default=None, description="A cron schedule instead of the interval", examples=["0 * * * *"]
    )
    timezone: str = Field(
        default="UTC", description="The time zone of the cron schedule", examples=["Europe/Berlin"]
    )
    fresh: Duration = Field(
        default=timedelta(minutes=5),
        description="How old a landed page of an interrupted run may be to be used again",
        examples=["5m"],
    )
    bids: bool = Field(default=False, description="Also fetch the highest buy orders", examples=[True])
    live: bool = Field(
        default=False,
        description="Also follow the feed of asks, and with `bids` that of buy orders: CS2Cap's quant tier"
        " only",
        examples=[True],
    )
    fx: Annotated[Literal["api", "table"], AnyCase] = Field(
        default="api",
        description="Who converts currencies: the API, with a request for each; with table, the reader, who"
        " has US dollars and one table of exchange rates",
        examples=["table"],
    )
    route: Annotated[Literal["auto", "item", "catalog", "batch", "stream"], AnyCase] = Field(
        default="auto",
        description="The route of the API; auto is the one with the fewest requests",
        examples=["auto"],
    )

    listings: bool = Field(
        default=False,
        description="Also read the offers of single copies of each item, which must be named (SkinShark)",
        examples=[True],
    )
    listings_cap: int = Field(
        default=100,
        ge=1,
        le=5_000,
        description="How many offers of an item are read, the cheapest first; each 100 take a request",
        examples=[300],
    )
    deployment: Name | None = Field(
        default=None,
        description="The deployment that observes the basket; baskets with the same one share its flow runs,"
        " and need the same schedule. Without this key, it has the name of the basket",
        examples=["all-sources"],
    )

    @property
    def feed_sides(self) -> tuple[str, ...]:
        """The sides whose feeds are followed: asks ("standard") and bids ("bid")."""
        return () if not self.live else ("standard", "bid") if self.bids else ("standard",)

    @property
    def deployment_name(self) -> str:
        """The name of the deployment that observes the basket."""
        return self.deployment or self.name

    @field_validator("cron")
    @classmethod
    def _check_cron(cls, cron: str | None) -> str | None:
        return None if cron is None else check_cron(cron)

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, name: str) -> str:
        return check_timezone(name)


class AlertSettings(Table):
    """Who is notified when an alert opens and when it is over.

    An entry is an Apprise URL, `env:NAME` of a variable that holds such a URL, or `block:TYPE/NAME` of a
    Prefect notification or webhook block, for which `floorline alerts apply` creates automations. Closed
    alerts are listed for `keep`; the warehouse has them for good.
    """

    notify: Many[Receiver] = Field(
        default=(),
        description="Who receives alerts: Apprise URLs, env:VARIABLE with such a URL, or block:TYPE/NAME"
        " of Prefect",
        examples=[["env:FLOORLINE_NOTIFY"]],
    )
    keep: Duration = Field(
        default=timedelta(days=180),
        description="How long `floorline alerts list --all` has a closed alert; the view `alerts` keeps"
        " all of them",
    )

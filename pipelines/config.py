"""The configuration: floorline.toml, every key of it also as FLOORLINE_..., checked before anything runs."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from common.errors import ConfigError

DEFAULT_PATH = Path("floorline.toml")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    """Read "90s", "10m", "1h" or "7d"; anything else is left to pydantic."""
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+)\s*([smhd])", value.strip())):
        return timedelta(seconds=int(found[1]) * UNITS[found[2]])
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
KEY = r"^(env|file|block):.+$"
NOT_ON_BEHALF = "the prices are the merchant's own: the route rejects On-Behalf-Of, so leave it out"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WarehouseSettings(_Strict):
    """Where the data lies and how long what was fetched is kept beside it."""

    path: Path = Path("data")
    keep_landings: Duration = timedelta(days=1)
    least_free: ByteSize = ByteSize(256_000_000)
    lock_wait: Duration = timedelta(seconds=60)


class SourceSettings(_Strict):
    """One account at one API. `key` says where the key is, never what it is; `kind` which API it is."""

    kind: str
    base_url: str
    key: str = Field(pattern=KEY)
    tier: str = "auto"
    concurrency: int = Field(default=8, ge=1, le=64)
    deadline: Duration = timedelta(seconds=30)


class Cs2capSettings(SourceSettings):
    """An account at CS2Cap. `tier` "auto" is what the API says of the key.

    A stream, which takes longer than other answers, has `stream_deadline`. `sales` says how often all sales
    are read; by a schedule never, where it is left out.
    """

    kind: Literal["cs2cap"] = "cs2cap"
    base_url: str = "https://api.cs2c.app"
    key: str = Field(default="env:CS2C_API_KEY", pattern=KEY)
    tier: Literal["auto", "free", "starter", "pro", "quant"] = "auto"
    stream_deadline: Duration = timedelta(minutes=10)
    sales: Duration | None = None


class SkinsharkSettings(SourceSettings):
    """A merchant's account at SkinShark. A price basis belongs to its source: `market` and `include_fees`.

    `key_next` says where the key is that takes over when the first one is revoked; it may be missing. The
    API tells no tier: "auto" is the smallest.
    """

    kind: Literal["skinshark"] = "skinshark"
    base_url: str = "https://api.skinshark.gg"
    key: str = Field(default="env:SKINSHARK_API_KEY", pattern=KEY)
    key_next: str = Field(default="env:SKINSHARK_API_KEY_NEXT", pattern=KEY)
    tier: Literal["auto", "standard", "premium", "enterprise"] = "auto"
    market: Literal["all", "c5", "ecosteam"] = "all"
    include_fees: bool = False
    on_behalf_of: None = None

    @field_validator("on_behalf_of", mode="before")
    @classmethod
    def _nobody(cls, value: object) -> object:
        if value is not None:
            raise ValueError(NOT_ON_BEHALF)
        return value


AnySource = Annotated[Cs2capSettings | SkinsharkSettings, Field(discriminator="kind")]


class BasketSettings(_Strict):
    """What is looked at together: items x providers x currencies, every so often.

    `cron`, in `timezone`, says when to look if an interval does not; `every` is then how often at least.
    `fresh` says how long a page that an interrupted run has landed is still used instead of fetched again.
    `bids` asks for the highest buy orders too. `fx` says who converts: the API, a request a currency, or the
    reader, from one table of rates. `route` "auto" takes the one with the fewest requests.
    """

    name: Name
    source: Name
    items: tuple[str | int, ...] = Field(min_length=1)
    providers: tuple[str, ...] = Field(default=("all",), min_length=1)
    currencies: tuple[str, ...] = Field(default=("USD",), min_length=1)
    every: Duration = timedelta(minutes=10)
    cron: str | None = None
    timezone: str = "UTC"
    fresh: Duration = timedelta(minutes=5)
    bids: bool = False
    fx: Literal["api", "table"] = "api"
    route: Literal["auto", "item", "catalog", "batch", "stream"] = "auto"


class AlertSettings(_Strict):
    """Who hears of an alert when it opens and once when it is over.

    An entry is an Apprise URL, `env:NAME` of a variable that holds one, or `block:TYPE/NAME` of a Prefect
    notification or webhook block, which `floorline alerts apply` puts to use.
    """

    notify: tuple[Annotated[str, Field(pattern=r"^[A-Za-z][\w+.-]*:.+$")], ...] = ()


class Settings(BaseSettings):
    """The whole configuration; `base` is the folder that its relative paths start from."""

    model_config = SettingsConfigDict(
        env_prefix="FLOORLINE_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    warehouse: WarehouseSettings = WarehouseSettings()
    alerts: AlertSettings = AlertSettings()
    sources: dict[Name, AnySource] = {}
    baskets: tuple[BasketSettings, ...] = ()
    base: Path = Path()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file (which comes in as `init_settings`)."""
        return env_settings, init_settings

    @field_validator("sources", mode="before")
    @classmethod
    def _kinds_by_name(cls, sources: object) -> object:
        """A source that says no kind is of the kind that it is called."""
        if not isinstance(sources, dict):
            return sources
        return {
            name: {"kind": name, **source} if isinstance(source, dict) else source
            for name, source in sources.items()
        }

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [basket.name for basket in self.baskets]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two baskets are called {', '.join(sorted(twice))}")
        for basket in self.baskets:
            if basket.source not in self.sources:
                known = ", ".join(self.sources) or "none"
                raise ValueError(f"basket {basket.name} names the source {basket.source}; there is {known}")
        return self

    @property
    def root(self) -> Path:
        """The warehouse's folder."""
        return self.base / self.warehouse.path.expanduser()

    @property
    def sales_every(self) -> dict[str, timedelta]:
        """How often all sales are read, by source; only those whose sales are read on schedule."""
        every = {name: getattr(source, "sales", None) for name, source in self.sources.items()}
        return {name: interval for name, interval in every.items() if interval is not None}

    def chosen(self, names: tuple[str, ...]) -> tuple[BasketSettings, ...]:
        """The baskets by name; all of them for no name. Raises ConfigError for one that does not exist."""
        known = {basket.name: basket for basket in self.baskets}
        if not known:
            raise ConfigError("no basket is configured: say in [[baskets]] what to look at")
        unknown = ", ".join(name for name in names if name not in known)
        if unknown:
            raise ConfigError(f"no basket is called {unknown}; the configuration has {', '.join(known)}")
        return tuple(known[name] for name in dict.fromkeys(names)) if names else self.baskets


def load_settings(path: Path | None = None) -> Settings:
    """Read the configuration at `path`, at $FLOORLINE_CONFIG, or in floorline.toml.

    Raises ConfigError with the file and the line or the key that is wrong.
    """
    chosen = path or Path(os.environ.get("FLOORLINE_CONFIG") or DEFAULT_PATH)
    try:
        fields = tomllib.loads(chosen.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration at {chosen}: write one or name it with --config"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{chosen} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{chosen} is not TOML: {error}") from None
    return parse_settings(fields, base=chosen.resolve().parent, where=str(chosen))


def parse_settings(fields: dict[str, Any], base: Path, where: str = "the configuration") -> Settings:
    """Check a configuration that was read from `where`. Raises ConfigError with each key that is wrong."""
    if "base" in fields:
        raise ConfigError(f"{where}: base: it is the folder of the configuration, and not set in it")
    try:
        return Settings(**fields, base=base)
    except SettingsError as error:
        raise ConfigError(f"the environment: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{where}: {'; '.join(_told(e) for e in error.errors()[:5])}") from None


def _told(error: ErrorDetails) -> str:
    """One pydantic error in one phrase, without the value: it may be a key in the wrong place."""
    loc = list(error["loc"])
    if loc[:1] == ["sources"]:
        del loc[2:3]  # pydantic puts the kind in here, which stands in no configuration
    what = error["msg"].removeprefix("Value error, ")
    if error["type"] == "union_tag_invalid":
        loc, what = [*loc, "kind"], f"there is {error['ctx']['expected_tags']}"
    place = ".".join(map(str, loc))
    return f"{place}: {what}" if place else str(what)


def expand_items(basket: BasketSettings, base: Path) -> tuple[str | int, ...]:
    """The basket's items with each "file:PATH" replaced by that file's lines (blank ones and # left out)."""
    return expanded(basket.items, base, f"basket {basket.name}")


def expanded(items: tuple[str | int, ...], base: Path, whose: str) -> tuple[str | int, ...]:
    """The same with each "file:PATH" replaced by that file's lines; `whose` they are is told in errors."""
    found: list[str | int] = []
    for entry in items:
        if isinstance(entry, str) and entry.startswith("file:"):
            found.extend(_lines(base / Path(entry.removeprefix("file:")).expanduser(), whose))
        else:
            found.append(entry)
    return tuple(found)


def _lines(path: Path, whose: str) -> list[str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{whose}: {path} cannot be read: {error}") from None
    return [item for line in lines if (item := line.strip()) and not item.startswith("#")]

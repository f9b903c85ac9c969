"""The configuration: floorline.toml and FLOORLINE_... variables, validated before anything runs."""

from __future__ import annotations

import math
import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from common.errors import ConfigError
from common.files import expand_home
from common.numbers import LONGEST, parse_count
from pipelines.config_errors import describe_error
from pipelines.environment import CONFIG, DELIMITER, PREFIX, EnvironmentSource, Tables, check_variables

BACKSLASH_HINT = "; in 'single quotation marks' a backslash is text, as in names that Floorline shows"
DEFAULT_PATH = Path("floorline.toml")
SECONDS_BY_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _parse_duration(value: object) -> object:
    """Parse "90s", "10m", "1h" or "7d"; leave other values to pydantic."""
    if isinstance(value, str) and (match := re.fullmatch(r"([0-9]+)\s*([smhd])", value.strip())):
        number = parse_count(match[1], most=int(LONGEST.total_seconds()))
        seconds = math.inf if number is None else number * SECONDS_BY_UNIT[match[2]]
        return LONGEST + timedelta(1) if seconds > LONGEST.total_seconds() else timedelta(seconds=seconds)
    return value


def _check_duration(length: timedelta) -> timedelta:
    if not timedelta() <= length <= LONGEST:
        raise ValueError(f"must be from 0s to {LONGEST.days}d")
    return length


def _check_period(length: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= length <= LONGEST:
        raise ValueError(f"must be from 1s to {LONGEST.days}d")
    return length


Duration = Annotated[timedelta, BeforeValidator(_parse_duration), AfterValidator(_check_duration)]
Period = Annotated[timedelta, BeforeValidator(_parse_duration), AfterValidator(_check_period)]
KEY_PATTERN = r"^(env|file|block):(?s:.+)$"  # a path may have line breaks
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*\.", re.IGNORECASE)  # by Windows, for files


def _check_name(name: str) -> str:
    if RESERVED.fullmatch(name):
        raise ValueError("is a name that some file systems reserve: choose another")
    return name


# Some names are names of folders.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"), AfterValidator(_check_name)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WarehouseSettings(_Strict):
    """Where the warehouse is, how long loaded landings are kept, and its limits for disk space and locks."""

    path: Path = Path("data")
    keep_landings: Duration = timedelta(days=1)
    least_free: ByteSize = ByteSize(256_000_000)
    lock_wait: Duration = timedelta(seconds=60)


class SourceSettings(_Strict):
    """One account at one API. `kind` says which API; `key` says where the key is and never holds it."""

    kind: str
    base_url: str
    key: str = Field(pattern=KEY_PATTERN)
    tier: str = "auto"
    concurrency: int = Field(default=8, ge=1, le=64)
    deadline: Period = timedelta(seconds=30)


class Cs2capSettings(SourceSettings):
    """An account at CS2Cap. With `tier` "auto", the tier is the one that the API reports for the key.

    Streams take longer than other responses and have their own `stream_deadline`. `sales` is the interval at
    which all sales are read; without it, no schedule reads them.
    """

    kind: Literal["cs2cap"] = "cs2cap"
    base_url: str = "https://api.cs2c.app"
    key: str = Field(default="env:CS2C_API_KEY", pattern=KEY_PATTERN)
    tier: Literal["auto", "free", "starter", "pro", "quant"] = "auto"
    stream_deadline: Period = timedelta(minutes=10)
    sales: Period | None = None


class SkinsharkSettings(SourceSettings):
    """A merchant's account at SkinShark. `market` and `include_fees` set the price basis of the source.

    `key_next` says where the next key is, which takes over when the first key is revoked; the next key may be
    missing. The API reports no tier: "auto" is the smallest one.
    """

    kind: Literal["skinshark"] = "skinshark"
    base_url: str = "https://api.skinshark.gg"
    key: str = Field(default="env:SKINSHARK_API_KEY", pattern=KEY_PATTERN)
    key_next: str = Field(default="env:SKINSHARK_API_KEY_NEXT", pattern=KEY_PATTERN)
    tier: Literal["auto", "standard", "premium", "enterprise"] = "auto"
    market: Literal["all", "c5", "ecosteam"] = "all"
    include_fees: bool = False
    on_behalf_of: None = None

    @field_validator("on_behalf_of", mode="before")
    @classmethod
    def _reject_on_behalf_of(cls, value: object) -> object:
        if value is not None:
            raise ValueError(
                "leave it out: prices are the merchant's own, and the route rejects On-Behalf-Of"
            )
        return value


AnySource = Annotated[Cs2capSettings | SkinsharkSettings, Field(discriminator="kind")]


class BasketSettings(_Strict):
    """The quotes that one run observes: items x providers x currencies, on a schedule.

    The schedule is `cron` in `timezone`, or else the interval `every`; with `cron`, `every` is the longest
    time between two runs. `fresh` is the age up to which a run reuses the pages of an interrupted run. `bids`
    adds the highest buy orders. `fx` says who converts currencies: the API with a request per currency, or
    the reader with one table of rates. `route` "auto" is the route with the fewest requests.
    """

    name: Name
    source: Name
    items: tuple[str | int, ...] = Field(min_length=1)
    providers: tuple[str, ...] = Field(default=("all",), min_length=1)
    currencies: tuple[str, ...] = Field(default=("USD",), min_length=1)
    every: Period = timedelta(minutes=10)
    cron: str | None = None
    timezone: str = "UTC"
    fresh: Duration = timedelta(minutes=5)
    bids: bool = False
    fx: Literal["api", "table"] = "api"
    route: Literal["auto", "item", "catalog", "batch", "stream"] = "auto"


class AlertSettings(_Strict):
    """Who is notified when an alert opens and when it is over.

    An entry is an Apprise URL, `env:NAME` of a variable that holds such a URL, or `block:TYPE/NAME` of a
    Prefect notification or webhook block, for which `floorline alerts apply` creates automations.
    """

    notify: tuple[Annotated[str, Field(pattern=r"^[A-Za-z][\w+.-]*:.+$")], ...] = ()


TABLES: Tables = {
    "warehouse": (WarehouseSettings,),
    "alerts": (AlertSettings,),
    "sources": (Cs2capSettings, SkinsharkSettings),
    "baskets": (BasketSettings,),
}


class Settings(BaseSettings):
    """The complete configuration; its relative paths start at the folder `base`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
    )

    warehouse: WarehouseSettings = WarehouseSettings()
    alerts: AlertSettings = AlertSettings()
    sources: dict[Name, AnySource] = {}
    baskets: tuple[BasketSettings, ...] = ()
    base: Path = Path()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Give the environment precedence over the file, whose values are `init_settings`."""
        return EnvironmentSource(settings_cls, init_settings(), TABLES), init_settings

    @field_validator("sources", mode="before")
    @classmethod
    def _add_kinds(cls, sources: object) -> object:
        """Add the kind of a source that has none: its name."""
        if not isinstance(sources, dict):
            return sources
        return {
            name: {"kind": name, **source} if isinstance(source, dict) else source
            for name, source in sources.items()
        }

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [basket.name for basket in self.baskets]
        duplicates = {name for name in names if names.count(name) > 1}
        if duplicates:
            raise ValueError(f"two baskets are called {', '.join(sorted(duplicates))}")
        for basket in self.baskets:
            if basket.source not in self.sources:
                sources = ", ".join(self.sources) or "none"
                problem = f"no source is called {basket.source}; the configuration has {sources}"
                raise ValueError(f"basket {basket.name}: {problem}")
        return self

    @property
    def root(self) -> Path:
        """The folder of the warehouse. Raises ConfigError where no database can be in such a folder."""
        root = self.base / expand_home(self.warehouse.path)
        try:
            str(root).encode()
        except UnicodeEncodeError:
            raise ConfigError(
                f"the folder of the warehouse is not UTF-8 text, and DuckDB opens no such path: {root};"
                " set [warehouse] path to another folder"
            ) from None
        return root

    @property
    def sales_every(self) -> dict[str, timedelta]:
        """The interval of the scheduled sales reads, by source; only of sources that have one."""
        intervals = {name: getattr(source, "sales", None) for name, source in self.sources.items()}
        return {name: interval for name, interval in intervals.items() if interval is not None}

    def select_baskets(self, names: tuple[str, ...]) -> tuple[BasketSettings, ...]:
        """Return the baskets with these names, or all baskets for no name.

        Raises ConfigError for a basket that does not exist, and for a configuration without baskets.
        """
        baskets = {basket.name: basket for basket in self.baskets}
        if not baskets:
            raise ConfigError("no basket is configured: add a [[baskets]] table with the items to observe")
        unknown = ", ".join(name for name in names if name not in baskets)
        if unknown:
            raise ConfigError(f"no basket is called {unknown}; the configuration has {', '.join(baskets)}")
        return tuple(baskets[name] for name in dict.fromkeys(names)) if names else self.baskets


def load_settings(path: Path | None = None) -> Settings:
    """Load the configuration at `path`, at $FLOORLINE_CONFIG, or in floorline.toml.

    Raises ConfigError with the file and the wrong line or key.
    """
    path = path or Path(os.environ.get(CONFIG) or DEFAULT_PATH)
    try:
        fields = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration at {path}: create one, or pass its path with --config"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} cannot be read: it is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        hint = BACKSLASH_HINT if re.search("Unescaped|hex value", str(error)) else ""
        raise ConfigError(f"{path} is not valid TOML: {error}{hint}") from None
    except (
        ValueError,
        RecursionError,
    ):  # by the parser, of a number of thousands of digits, or deep brackets
        raise ConfigError(f"{path} has a number that is too long, or brackets that nest too deep") from None
    return parse_settings(fields, base=path.resolve().parent, where=str(path))


def parse_settings(fields: dict[str, Any], base: Path, where: str = "the configuration") -> Settings:
    """Validate a configuration that was read from `where`. Raises ConfigError with each wrong key."""
    if "base" in fields:
        raise ConfigError(f"{where}: base: remove it; it is always the folder of the configuration")
    check_variables(TABLES, fields)
    try:
        return Settings(**fields, base=base)
    except SettingsError as error:
        raise ConfigError(f"the environment: {error}") from None
    except ValidationError as error:
        problems = [describe_error(problem, TABLES) for problem in error.errors()[:5]]
        raise ConfigError(f"{where}: {'; '.join(problems)}") from None

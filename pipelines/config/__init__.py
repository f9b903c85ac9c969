"""The configuration: floorline.toml and FLOORLINE_... variables, validated before anything runs."""

from pipelines.config.files import DEFAULT_PATH, config_path, load_settings, parse_settings
from pipelines.config.settings import Settings
from pipelines.config.shared import SharedSettings
from pipelines.config.sources import AnySource, Cs2capSettings, SkinsharkSettings, SourceSettings
from pipelines.config.tables import AlertSettings, BasketSettings, WarehouseSettings
from pipelines.config.watches import WatchSettings

__all__ = [
    "DEFAULT_PATH",
    "AlertSettings",
    "AnySource",
    "BasketSettings",
    "Cs2capSettings",
    "Settings",
    "SharedSettings",
    "SkinsharkSettings",
    "SourceSettings",
    "WarehouseSettings",
    "WatchSettings",
    "config_path",
    "load_settings",
    "parse_settings",
]

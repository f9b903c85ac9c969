"""Metrics of a warehouse in Prometheus' text format: gauges of what `floorline status` reads, and sizes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest, write_to_textfile

from common.errors import ConfigError
from common.files import refuse_special_file
from floorline.monitoring.status import BasketStatus, StatusReport
from pipelines.config import Settings
from pipelines.planning.quota import MonthUsageReport
from warehouse.paths import WarehousePaths
from warehouse.published import is_published
from warehouse.queries.runner import run_query

REJECTS: Final = """
SELECT source, basket, count(*) FILTER (replayed_run_id IS NULL) FROM rejects GROUP BY ALL ORDER BY ALL
"""
_BASKET: Final = ("basket", "source")
Sample = tuple[tuple[str, ...], float | None]


def build_registry(settings: Settings, report: StatusReport) -> CollectorRegistry:
    """Return the metrics of a status; what is not known has no sample. Raises WarehouseError."""
    registry = CollectorRegistry()
    _add_general(registry, report)
    _add_baskets(registry, settings, report)
    _add_sources(registry, report)
    _add_alerts_and_landings(registry, report)
    _add_sizes(registry, settings.paths)
    return registry


def render_metrics(registry: CollectorRegistry) -> str:
    """Return the metrics as text."""
    return generate_latest(registry).decode("utf-8")


def write_metrics(registry: CollectorRegistry, path: Path) -> None:
    """Write the metrics to a file, whole or not at all. Raises ConfigError where that fails."""
    try:
        refuse_special_file(path)
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise ConfigError(f"the metrics cannot be written to {path}: {error.strerror}") from None


def _gauge(
    registry: CollectorRegistry, name: str, text: str, samples: Iterable[Sample], labels: Sequence[str] = ()
) -> None:
    """Add a gauge with the samples that have a value."""
    gauge = Gauge(f"floorline_{name}", text, labels, registry=registry)
    for values, number in samples:
        if number is not None:
            (gauge.labels(*values) if labels else gauge).set(number)


def _add_general(registry: CollectorRegistry, report: StatusReport) -> None:
    build = [((version("floorline"),), 1.0)]
    _gauge(registry, "build_info", "The version of Floorline.", build, ["version"])
    now = report.now.timestamp()
    _gauge(registry, "collected_timestamp_seconds", "When these metrics were collected.", [((), now)])
    if report.published_at is not None:
        published = report.published_at.timestamp()
        text = "When the database was published last."
        _gauge(registry, "published_timestamp_seconds", text, [((), published)])
    up, paused = report.up is not None, report.up is not None and report.up.pool_paused
    _gauge(registry, "up", "Whether `floorline up` runs.", [((), up)])
    _gauge(registry, "work_pool_paused", "Whether its work pool is paused.", [((), paused)])


def _add_baskets(registry: CollectorRegistry, settings: Settings, report: StatusReport) -> None:
    baskets = report.baskets(settings)

    def add(name: str, text: str, value: Callable[[BasketStatus], float | None]) -> None:
        samples = [((one.basket, one.source), value(one)) for one in baskets]
        _gauge(registry, f"basket_{name}", text, samples, _BASKET)

    add("interval_seconds", "The interval of a basket.", lambda one: one.every.total_seconds())
    add("last_success_timestamp_seconds", "When its last successful run began.", _success)
    add("age_seconds", "How long ago that was, when the metrics were collected.", _age)
    add("late", "Whether that is more than three intervals, or never.", lambda one: one.late is not False)
    add("last_run_ok", "Whether its last run was complete.", lambda one: one.state == "done")
    add("rows", "Rows that its last run brought.", lambda one: one.rows_fetched)
    add("rows_changed", "Rows of these that had changed.", lambda one: one.rows_changed)
    add("requests", "Requests of its last run.", lambda one: one.requests)


def _success(basket: BasketStatus) -> float | None:
    return None if basket.last_success is None else basket.last_success.timestamp()


def _age(basket: BasketStatus) -> float | None:
    return None if basket.age is None else basket.age.total_seconds()


def _add_sources(registry: CollectorRegistry, report: StatusReport) -> None:
    def add(name: str, text: str, value: Callable[[MonthUsageReport], float | None]) -> None:
        samples = [((month.source,), value(month)) for month in report.months]
        _gauge(registry, f"source_{name}", text, samples, ["source"])

    add("month_requests", "Requests of this month.", lambda month: month.used)
    add("month_requests_limit", "Requests that a month allows.", lambda month: month.limit)
    add("requests_per_day", "Requests of a day, on average.", lambda month: month.a_day)
    holds = [((source,), until.timestamp()) for source, until in report.holds.items()]
    text = "Until when the source asked to send nothing."
    _gauge(registry, "source_hold_until_timestamp_seconds", text, holds, ["source"])


def _add_alerts_and_landings(registry: CollectorRegistry, report: StatusReport) -> None:
    _gauge(registry, "alerts_open", "Open alerts.", [((), len(report.alerts))])
    open_since = [
        ((str(one.alert_id), one.cause, one.source, one.subject), one.opened_at.timestamp())
        for one in report.alerts
        if one.opened_at is not None
    ]
    labels = ["alert_id", "cause", "source", "subject"]
    _gauge(registry, "alert_opened_timestamp_seconds", "When an open alert was opened.", open_since, labels)
    _gauge(registry, "landings_waiting", "Landings that are not loaded.", [((), len(report.pending))])
    aside = [((), len(report.landings_aside))]
    _gauge(registry, "landings_set_aside", "Landings that cannot be loaded.", aside)


def _add_sizes(registry: CollectorRegistry, paths: WarehousePaths) -> None:
    rows = run_query(paths, REJECTS).rows if is_published(paths) else ()
    rejects = [((basket or "", source), count) for source, basket, count in rows]
    _gauge(registry, "rejects", "Rows that could not be parsed, and were not replayed.", rejects, _BASKET)
    places = {
        "database": paths.published,
        "writer": paths.writer.parent,
        "landings": paths.landing,
        "catalogs": paths.catalog,
        "state": paths.state,
        "prefect": paths.root / "prefect",
    }
    sizes = [((name,), _size(path)) for name, path in places.items()]
    _gauge(registry, "size_bytes", "Bytes of the files of the warehouse.", sizes, ["part"])
    if paths.root.exists():
        free = [((), shutil.disk_usage(paths.root).free)]
        _gauge(registry, "disk_free_bytes", "Free bytes of the disk of the warehouse.", free)


def _size(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder; 0 where there is none."""
    total, folders = 0, [path]
    while folders:
        place = folders.pop()
        try:
            if not place.is_dir():
                total += place.stat().st_size
                continue
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # it was removed meanwhile, or is closed to this user
            continue
    return total

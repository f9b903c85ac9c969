"""A test bench: a configuration with sandboxes as sources, its snapshots, and the rows of both."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from common.clock import Clock
from floorline.__main__ import run_command_line
from pipelines.config import Settings, load_settings
from pipelines.results import RunResult
from pipelines.snapshot.pipeline import SnapshotPipeline
from pipelines.snapshot.progress import Progress
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.request_log import LogEntry
from tests.support.lake_warehouses import lakes_in_use, shared_table
from tests.support.warehouse import copy_folder, create_warehouse
from warehouse.paths import WarehousePaths
from warehouse.queries.runner import run_query
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

FLOORLINE = str(Path(sys.executable).with_name("floorline"))
REDLINE, ASIIMOV = "AK-47 | Redline (Field-Tested)", "AWP | Asiimov (Field-Tested)"
SIX = ("steam", "buff163", "csfloat", "skinport", "youpin", "dmarket")
Row = tuple[str, str, str | None, int, Decimal, int]


def basket(name: str = "core", **fields: Any) -> dict[str, Any]:
    """Return a basket of two items at one provider, by the simplest route; `fields` override it."""
    defaults = {
        "source": "cs2cap",
        "items": [REDLINE, ASIIMOV],
        "providers": ["steam"],
        "currencies": ["USD"],
    }
    route = "catalog" if fields.get("items") == ["all"] else "item"
    return {"name": name, **defaults, "route": route, **fields}


def catalog_of(*providers: str, **fields: Any) -> dict[str, Any]:
    """Return a basket of the whole catalog at these providers."""
    return basket(items=["all"], providers=list(providers), **fields)


def toml(tables: Mapping[str, Mapping[str, object]], baskets: Sequence[Mapping[str, object]]) -> str:
    """Return the TOML of these tables and baskets."""
    parts = [f"[{name}]\n{_fields(fields)}" for name, fields in tables.items()]
    return "\n\n".join([*parts, *(f"[[baskets]]\n{_fields(fields)}" for fields in baskets)]) + "\n"


def _fields(fields: Mapping[str, object]) -> str:
    return "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())


@dataclasses.dataclass(frozen=True, slots=True)
class Bench:
    """A folder with a configuration whose sources are sandboxes."""

    folder: Path
    config: Path

    @classmethod
    def at(
        cls,
        folder: Path,
        boxes: Sandbox | Mapping[str, Sandbox],
        *baskets: Mapping[str, object],
        source: Mapping[str, object] | None = None,
        warehouse: Mapping[str, object] | None = None,
    ) -> Bench:
        """Write the configuration; `boxes` are the sandboxes by source, or the one of "cs2cap"."""
        named = boxes if isinstance(boxes, Mapping) else {"cs2cap": boxes}
        return cls.create(
            folder,
            {name: box.url for name, box in named.items()},
            *baskets,
            source=source,
            warehouse=warehouse,
        )

    @classmethod
    def create(
        cls,
        folder: Path,
        urls: Mapping[str, str],
        *baskets: Mapping[str, object],
        source: Mapping[str, object] | None = None,
        warehouse: Mapping[str, object] | None = None,
    ) -> Bench:
        """Write the configuration, and a file with the sandbox's valid key for each source."""
        folder.mkdir(exist_ok=True)
        lakes = lakes_in_use()
        if lakes:
            lakes.reserve(folder)
        tables: dict[str, Mapping[str, object]] = {
            **({"shared": shared_table(folder)} if lakes else {}),
            "warehouse": {"path": "data", "least_free": "1MB", **(warehouse or {})},
        }
        for name, url in urls.items():
            key = folder / f"{name}.key"
            key.write_text(VALID_KEY)
            key.chmod(0o600)
            kind = {"kind": "cs2cap", "base_url": url, "key": f"file:{key}"}
            tables[f"sources.{name}"] = {**kind, **(source or {})}
        config = folder / "floorline.toml"
        config.write_text(toml(tables, baskets), "utf-8")
        return cls(folder, config)

    def copy(self, folder: Path) -> Bench:
        """Copy the project with its warehouse, which is faster than another snapshot."""
        copy_folder(self.folder, folder)
        config = folder / self.config.name
        config.write_text(config.read_text("utf-8").replace(str(self.folder), str(folder)), "utf-8")
        return Bench(folder, config)

    def with_notify(self, *notify: str) -> Bench:
        """Add recipients of alerts to the configuration; return this bench."""
        text = self.config.read_text("utf-8")
        self.config.write_text(f"[alerts]\nnotify = {json.dumps(notify)}\n{text}", "utf-8")
        return self

    @property
    def settings(self) -> Settings:
        """The loaded configuration."""
        return load_settings(self.config)

    @property
    def paths(self) -> WarehousePaths:
        """The paths of the warehouse."""
        return self.settings.paths

    def prepare(self) -> None:
        """Create the warehouse where there is none; its database is copied, which is faster."""
        if self.paths.root.exists():
            return
        if lakes := lakes_in_use():
            lakes.fill(self.folder)
        if self.paths.shared is None:
            create_warehouse(self.paths.root)
        else:
            self.paths.prepare()

    def snapshot(
        self, *names: str, clock: Clock | None = None, progress: Progress | None = None
    ) -> list[RunResult]:
        """Take a snapshot, without Prefect, into the warehouse that `prepare` makes."""
        self.prepare()
        return asyncio.run(SnapshotPipeline(self.settings, names, clock, progress).run())

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the published database."""
        return list(run_query(self.paths, sql, parameters).rows)

    def quotes(self, currency: str = "USD", source: str = "cs2cap") -> list[Row]:
        """Return the rows of the view `quotes`, sorted."""
        return ordered(
            self.query(
                "SELECT provider, item_id, phase, lowest_ask, price, quantity FROM quotes"
                " WHERE currency = ? AND source = ?",
                currency,
                source,
            )
        )

    def changes(self) -> int:
        """Return the number of rows of the history."""
        return int(self.query("SELECT count(*) FROM quote_history")[0][0])

    def alerts(self) -> list[Alert]:
        """Return the open alerts."""
        return AlertStore(open_state(self.paths)).list_alerts(open_only=True)

    def command(
        self, *arguments: str, config: bool = True, check: int | None = 0, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the installed command to its end; its exit code must be `check`."""
        named = ("--config", str(self.config)) if config else ()
        done = subprocess.run(
            [FLOORLINE, *arguments, *named],
            capture_output=True,
            text=True,
            env=clean_env(**env),
            cwd=self.folder,
            check=False,
            timeout=240,
        )
        assert check is None or done.returncode == check, done.stdout + done.stderr
        return done


def clean_env(**more: str) -> dict[str, str]:
    """Return this process's environment without variables of Floorline and Prefect, and with `more`."""
    ours = ("FLOORLINE_", "PREFECT_", "CS2C_")
    return {**{k: v for k, v in os.environ.items() if not k.startswith(ours)}, "NO_COLOR": "1", **more}


def ledger(
    box: Sandbox,
    providers: Sequence[str],
    item_ids: Sequence[int] | None = None,
    currency: str = "USD",
) -> list[Row]:
    """Return the current rows of the market in the form of `Bench.quotes`."""
    frame = box.ledger(currency=currency, providers=providers, item_ids=item_ids).select(
        "provider", "item_id", "phase", "lowest_ask", "lowest_ask_decimal", "quantity"
    )
    return ordered([(p, str(i), ph, ask, Decimal(d), q) for p, i, ph, ask, d, q in frame.iter_rows()])


def ordered(rows: Sequence[tuple[Any, ...]]) -> list[Row]:
    """Return the rows in a canonical order."""
    return sorted((_row(row) for row in rows), key=lambda row: (row[0], int(row[1]), row[2] or ""))


def _row(row: tuple[Any, ...]) -> Row:
    provider, item_id, phase, lowest_ask, price, quantity = row
    return provider, item_id, phase, lowest_ask, price, quantity


def price_requests(box: Sandbox, since: int = 0) -> list[LogEntry]:
    """Return the price requests that a sandbox received after number `since`."""
    return box.requests.of_path("/v1/prices", since)


@dataclasses.dataclass(frozen=True, slots=True)
class CommandOutput:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


def main_with(*arguments: str) -> CommandOutput:
    """Run the command line in this process."""
    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["floorline", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            run_command_line()
        code: object = 0
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.argv = argv
    assert isinstance(code, int)
    return CommandOutput(code, out.getvalue(), err.getvalue())

"""A configuration against sandboxes, snapshots taken with it, and what warehouse and market then say."""

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
from floorline.cli.app import main
from pipelines.config import Settings, load_settings
from pipelines.results import RunResult
from pipelines.snapshot.pipeline import SnapshotPipeline
from pipelines.snapshot.progress import Progress
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.request_log import LogEntry
from warehouse.paths import WarehousePaths
from warehouse.queries import run_query
from warehouse.state.alerts import Alert, AlertStore

FLOORLINE = str(Path(sys.executable).with_name("floorline"))
REDLINE, ASIIMOV = "AK-47 | Redline (Field-Tested)", "AWP | Asiimov (Field-Tested)"
SIX = ("steam", "buff163", "csfloat", "skinport", "youpin", "dmarket")
Row = tuple[str, str, str | None, int, Decimal, int]


def basket(name: str = "core", **fields: Any) -> dict[str, Any]:
    """A basket of two items at one provider, by the simplest route, unless `fields` say otherwise."""
    small = {"source": "cs2cap", "items": [REDLINE, ASIIMOV], "providers": ["steam"], "currencies": ["USD"]}
    route = "catalog" if fields.get("items") == ["all"] else "item"
    return {"name": name, **small, "route": route, **fields}


def catalog_of(*providers: str, **fields: Any) -> dict[str, Any]:
    """A basket of the whole catalog at these providers."""
    return basket(items=["all"], providers=list(providers), **fields)


def toml(tables: Mapping[str, Mapping[str, object]], baskets: Sequence[Mapping[str, object]]) -> str:
    """TOML of these tables and baskets."""
    parts = [f"[{name}]\n{_fields(fields)}" for name, fields in tables.items()]
    return "\n\n".join([*parts, *(f"[[baskets]]\n{_fields(fields)}" for fields in baskets)]) + "\n"


def _fields(fields: Mapping[str, object]) -> str:
    return "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())


@dataclasses.dataclass(frozen=True, slots=True)
class Bench:
    """A folder with a configuration, whose sources are sandboxes."""

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
        """Write the configuration; `boxes` by the names of their sources, or the one of "cs2cap"."""
        named = boxes if isinstance(boxes, Mapping) else {"cs2cap": boxes}
        return cls.written(
            folder,
            {name: box.url for name, box in named.items()},
            *baskets,
            source=source,
            warehouse=warehouse,
        )

    @classmethod
    def written(
        cls,
        folder: Path,
        urls: Mapping[str, str],
        *baskets: Mapping[str, object],
        source: Mapping[str, object] | None = None,
        warehouse: Mapping[str, object] | None = None,
    ) -> Bench:
        """Write the configuration, with the sandbox's valid key in a file of its own for each source."""
        folder.mkdir(exist_ok=True)
        tables: dict[str, Mapping[str, object]] = {
            "warehouse": {"path": "data", "least_free": "1MB", **(warehouse or {})}
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

    def telling(self, *notify: str) -> Bench:
        """The same, with these to be told of alerts."""
        text = self.config.read_text("utf-8")
        self.config.write_text(f"[alerts]\nnotify = {json.dumps(notify)}\n{text}", "utf-8")
        return self

    @property
    def settings(self) -> Settings:
        """The configuration, read."""
        return load_settings(self.config)

    @property
    def home(self) -> WarehousePaths:
        """Where the data lies."""
        return WarehousePaths(self.settings.root)

    def snapshot(
        self, *names: str, clock: Clock | None = None, progress: Progress | None = None
    ) -> list[RunResult]:
        """Take a snapshot, without Prefect."""
        return asyncio.run(SnapshotPipeline(self.settings, names, clock, progress).run())

    def ask(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of one query on the published database."""
        return list(run_query(self.home, sql, parameters).rows)

    def quotes(self, currency: str = "USD", source: str = "cs2cap") -> list[Row]:
        """What `quotes` holds, in order."""
        return ordered(
            self.ask(
                "SELECT provider, item_id, phase, lowest_ask, price, quantity FROM quotes"
                " WHERE currency = ? AND source = ?",
                currency,
                source,
            )
        )

    def changes(self) -> int:
        """How many rows the history has."""
        return int(self.ask("SELECT count(*) FROM quote_history")[0][0])

    def alerts(self) -> list[Alert]:
        """The alerts that stand open."""
        return AlertStore(self.home.state).list_alerts(open_only=True)

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
            timeout=60,
        )
        assert check is None or done.returncode == check, done.stdout + done.stderr
        return done


def clean_env(**more: str) -> dict[str, str]:
    """The environment of this process without what would configure Floorline or Prefect, and with `more`."""
    ours = ("FLOORLINE_", "PREFECT_", "CS2C_")
    return {**{k: v for k, v in os.environ.items() if not k.startswith(ours)}, "NO_COLOR": "1", **more}


def ledger(
    box: Sandbox,
    providers: Sequence[str],
    item_ids: Sequence[int] | None = None,
    currency: str = "USD",
) -> list[Row]:
    """What the market serves now, as `Bench.quotes` has it."""
    frame = box.ledger(currency=currency, providers=providers, item_ids=item_ids).select(
        "provider", "item_id", "phase", "lowest_ask", "lowest_ask_decimal", "quantity"
    )
    return ordered([(p, str(i), ph, ask, Decimal(d), q) for p, i, ph, ask, d, q in frame.iter_rows()])


def ordered(rows: Sequence[tuple[Any, ...]]) -> list[Row]:
    """Rows in an order that does not depend on where they come from."""
    return sorted((_row(row) for row in rows), key=lambda row: (row[0], int(row[1]), row[2] or ""))


def _row(row: tuple[Any, ...]) -> Row:
    provider, item_id, phase, lowest_ask, price, quantity = row
    return provider, item_id, phase, lowest_ask, price, quantity


def priced(box: Sandbox, since: int = 0) -> list[LogEntry]:
    """The price requests that a sandbox got after number `since`."""
    return box.requests.of_path("/v1/prices", since)


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str


def main_with(*arguments: str) -> Said:
    """Run the command's entry in this process."""
    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["floorline", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        code: object = 0
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.argv = argv
    assert isinstance(code, int)
    return Said(code, out.getvalue(), err.getvalue())

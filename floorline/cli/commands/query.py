"""The command `floorline query`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floorline.cli.options import AsJson, ConfigFile

if TYPE_CHECKING:
    from floorline.cli.render.query import Form


def query(
    sql: Annotated[
        str | None,
        typer.Argument(help="The SQL, or - for the standard input; docs/warehouse.md lists the views."),
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the result as CSV.")] = False,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the SQL from this file.")] = None,
    columns: Annotated[str, typer.Option(help="Print only these columns, separated by commas.")] = "",
    allow_files: Annotated[
        bool, typer.Option("--allow-files", help="Allow SQL to use files, networks, extensions and settings.")
    ] = False,
) -> None:
    """Query the published database with SQL, read-only.

    Several statements, separated by semicolons, run in order.
    """
    from floorline.cli.execution import warehouse_paths
    from floorline.cli.render.query import print_results
    from warehouse.queries.session import query_results

    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    text = _read_sql(sql, file)
    chosen = [name.strip() for name in columns.split(",") if name.strip()]
    form: Form = "json" if as_json else "csv" if as_csv else "table"
    with query_results(warehouse_paths(config).published_database, text, allow_files=allow_files) as results:
        print_results(results, form=form, columns=chosen)


def _read_sql(sql: str | None, file: Path | None) -> str:
    """Return the SQL of the command line, of the file, or of the standard input."""
    from common.errors import ConfigError
    from common.files import read_user_file

    if (sql is None) == (file is None):
        raise typer.BadParameter("give the SQL, a file with the SQL (-f FILE), or - for the standard input")
    try:
        if file is not None:
            return read_user_file(file)
        # Where the locale is not UTF-8, Python keeps the bytes of what it cannot decode.
        return os.fsencode(sys.stdin.read() if sql == "-" else str(sql)).decode("utf-8")
    except (OSError, ValueError) as error:
        no_text = "it is not UTF-8 text" if isinstance(error, UnicodeError) else "it is no path"
        reason = error.strerror if isinstance(error, OSError) else no_text
        raise ConfigError(f"the SQL cannot be read from {file or 'the standard input'}: {reason}") from None

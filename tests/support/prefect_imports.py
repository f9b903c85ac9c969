"""Import Prefect in one fresh process after another, each with other files with settings.

    python -m tests.support.prefect_imports < CASES

CASES is the JSON of a list of mappings from the path of a file to its text; a path that ends with = is a
variable of the environment. Prints the JSON of a list of [message, what was printed]. The message is that of
the ConfigError, or names the API that Prefect uses, if any.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

Case = Mapping[str, str]


def import_with(cases: Sequence[Case]) -> list[tuple[str, str]]:
    """Return the message of each case, and what was printed."""
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(cases),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
    )
    return [(message, printed) for message, printed in json.loads(done.stdout)]


def _import_in_child(case: Case, folder: Path) -> tuple[str, str]:
    """Fork: this process has all that Prefect imports, and not Prefect."""
    message, printed = folder / "message", folder / "printed"
    child = os.fork()
    if not child:
        for number in (1, 2):
            os.dup2(os.open(printed, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
        message.write_text(_import(case, folder))
        sys.stderr.flush()
        os._exit(0)
    os.waitpid(child, 0)
    return message.read_text(), printed.read_text()


def _import(case: Case, folder: Path) -> str:
    from common.errors import ConfigError
    from pipelines.prefect_settings import check_temporary_server, import_prefect

    os.chdir(folder)
    os.environ["PREFECT_HOME"] = str(folder / "home")
    for name, text in case.items():
        if name.endswith("="):
            os.environ[name[:-1]] = text.format(folder=folder)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    try:
        import_prefect("prefect.settings")
        check_temporary_server()
    except ConfigError as error:
        return str(error)
    return _name_api()


def _name_api() -> str:
    """Return which API Prefect uses; an empty text for none."""
    from prefect.settings import PREFECT_API_URL

    from flows.prefect_api import prefect_url

    ours, prefects = prefect_url(), PREFECT_API_URL.value() or None
    if ours != prefects:
        return f"Prefect uses {prefects}, and Floorline {ours}"
    return f"uses {ours}" if ours else ""


def main() -> None:
    """Read the cases, and print their results."""
    import pydantic_settings  # noqa: F401
    import rich.console  # noqa: F401
    import sqlalchemy  # noqa: F401

    results = []
    for case in json.load(sys.stdin):
        with tempfile.TemporaryDirectory() as folder:
            results.append(_import_in_child(case, Path(folder)))
    print(json.dumps(results))  # noqa: T201


if __name__ == "__main__":
    main()

"""Create a configuration: take or ask for the answers, check them, write the files, and say what follows."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from common.clock import SystemClock
from common.errors import ConfigError, SourceError
from common.files import atomic_write
from common.text import escape
from floorline.setup.configuration_file import Answers, render_configuration
from floorline.setup.interview import START, Interview, choose_source, settings_of
from floorline.setup.lookup import Catalogs, load_catalogs
from floorline.setup.prompts import Prompts
from floorline.up.access import connect_prefect
from pipelines.config import DEFAULT_PATH, Settings
from pipelines.config_check import Selection, check_configuration
from pipelines.planning.estimate import forecast_sources
from pipelines.planning.forecast import SourceForecast
from pipelines.sources import resolve_key

KEY_FILE: Final = "sandbox.key"
SANDBOX_ADDRESS: Final = "http://127.0.0.1:8765"
SANDBOX_FOLDER: Final = "sandbox-data"  # not the usual one: its prices must not mix with real ones
SANDBOX_INTERVAL: Final = "2m"
Report = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What the command line says: the path of the configuration, and the answers that options give.

    `sandbox_key` is the key of the sandbox to observe, empty for a real API. Without `prompts` nobody is
    asked.
    """

    path: Path
    given: Mapping[str, Any]
    sandbox_key: str = ""
    prompts: Callable[[], AbstractContextManager[Prompts]] | None = None

    @property
    def base(self) -> Path:
        """The folder of the configuration, at which its relative paths start."""
        return self.path.absolute().parent


@dataclass(frozen=True)
class Creation:
    """A configuration that was written, what its basket selects, and what it costs.

    `forecasts` is None where the cost is not known yet, because the API could not be asked. `key_file` is
    the file of the sandbox's key. `next_steps` are commands, each with what it does.
    """

    path: Path
    key_file: Path | None
    selections: Sequence[Selection]
    forecasts: Sequence[SourceForecast] | None
    next_steps: Mapping[str, str] = field(default_factory=dict)


def find_existing(request: Request) -> list[Path]:
    """Return the files that exist already, of those that will be written.

    Raises ConfigError where a folder has the name of the configuration.
    """
    if request.path.is_dir():
        raise ConfigError(f"{escape(str(request.path))} is a folder: pass the path of a file with --config")
    key_file = _key_file(request)
    has_other_key = key_file is not None and key_file.exists() and _read(key_file) != request.sandbox_key
    return [
        path
        for path, exists in ((request.path, request.path.exists()), (key_file, has_other_key))
        if path and exists
    ]


def create_configuration(request: Request, report: Report) -> Creation:
    """Write the configuration; `report` receives what the user should know on the way.

    Raises ConfigError for wrong answers, for answers that are missing, and where a file cannot be written.
    """
    if key_file := _key_file(request):
        _write(key_file, f"{request.sandbox_key}\n")
        key_file.chmod(0o600)  # the key of the sandbox is public, but Floorline takes no other mode
    answers, catalogs = _collect(request, report)
    if catalogs is not None:
        answers = replace(answers, items=[catalogs.name_item(item) for item in answers.items])
    settings = settings_of(answers, request.base)
    selections = asyncio.run(check_configuration(settings, SystemClock()))
    _write(request.path, render_configuration(answers))
    forecasts = None if catalogs is None else _forecast(settings, report)
    return Creation(
        request.path, key_file, selections, forecasts, _next_steps(request, settings, answers.source)
    )


def _collect(request: Request, report: Report) -> tuple[Answers, Catalogs | None]:
    """Return the answers of the options and of the user, and the catalogs, as far as they can be read."""

    def find_catalogs(answers: Answers) -> Catalogs | None:
        settings = settings_of(answers, request.base)
        connect_prefect(settings.root)  # for a key in a Secret block
        return load_catalogs(settings, answers.source, report)

    if request.prompts is None:
        answers = _without_questions(request)
        return answers, find_catalogs(answers)
    with request.prompts() as prompts:
        start = _start(request.given.get("source") or choose_source(prompts), request.given)
        interview = Interview(prompts, start, request.given, base=request.base, load_catalogs=find_catalogs)
        return interview.run(), interview.catalogs


def _without_questions(request: Request) -> Answers:
    start = _start(request.given.get("source", "cs2cap"), request.given)
    if request.sandbox_key:
        usual = {"key": f"file:{KEY_FILE}", "base_url": SANDBOX_ADDRESS, "every": SANDBOX_INTERVAL}
        return replace(start, **{**usual, "warehouse": SANDBOX_FOLDER, **request.given})
    if "items" not in request.given:
        raise ConfigError(
            "nobody can be asked here: give the items as options, as in --items 'ak redline ft' --items 4994"
        )
    return start


def _start(source: str, given: Mapping[str, Any]) -> Answers:
    """Return the answers of the options, and the usual ones for the others."""
    if source not in START:
        raise ConfigError(f"--source must be one of {', '.join(START)}")
    return replace(START[source], **given)


def _forecast(settings: Settings, report: Report) -> list[SourceForecast] | None:
    try:
        forecasting = forecast_sources(settings, SystemClock(), offline=False, on_request=report)
        return asyncio.run(forecasting)
    except SourceError as error:
        report(f"the cost is not known yet: {error}")
        return None


def _next_steps(request: Request, settings: Settings, source: str) -> dict[str, str]:
    """Return the commands that come next, each with what it does."""
    named = "" if request.path == DEFAULT_PATH else f" --config {shlex.quote(str(request.path))}"
    steps = {}
    if request.sandbox_key:
        port = urlsplit(settings.sources[source].base_url).port
        other = "" if port == urlsplit(SANDBOX_ADDRESS).port else f" --port {port}"
        steps[f"floorline sandbox{other}"] = "in another terminal, unless the sandbox runs already"
    elif problem := _key_problem(settings, source):
        steps[_describe_key(settings.sources[source].key)] = problem
    return steps | {
        f"floorline doctor{named}": "checks the key and everything else",
        f"floorline snapshot{named}": "takes the first snapshot",
        f"floorline up{named}": "takes snapshots on schedule, until Ctrl-C",
    }


def _describe_key(place: str) -> str:
    """Return what stores a key at a place of the configuration."""
    kind, _, where = place.partition(":")
    if kind == "env":
        return f"export {where}=..."
    if kind == "file":
        path = shlex.quote(where)
        return f"touch {path}; chmod 600 {path}"
    return f"a Prefect Secret block {where}"


def _key_problem(settings: Settings, source: str) -> str:
    """Return why there is no key where the configuration says; empty if there is one."""
    place = settings.sources[source].key
    if place.startswith("block:"):
        return ""  # to look into Prefect takes seconds; `floorline doctor` does
    try:
        asyncio.run(resolve_key(source, place, settings.base))
    except SourceError as error:
        return error.detail
    return ""


def _key_file(request: Request) -> Path | None:
    return request.path.parent / KEY_FILE if request.sandbox_key and "key" not in request.given else None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _write(path: Path, text: str) -> None:
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path.resolve(), text.encode())
    except OSError as error:
        is_file = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "a part of its path is a file, and no folder" if is_file else error.strerror
        raise ConfigError(f"{escape(str(path))} cannot be written: {reason}") from None

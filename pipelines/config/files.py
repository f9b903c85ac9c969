"""Read floorline.toml and validate it: each problem with the line, the basket and what to write."""

from __future__ import annotations

import itertools
import os
import tomllib
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from common.errors import ConfigError
from common.files import read_user_file
from common.text import escape
from pipelines.config.environment import CONFIG, check_variables, sets_fields
from pipelines.config.places import Document
from pipelines.config.problems import Problem, describe_errors, describe_unknown
from pipelines.config.references import check_references
from pipelines.config.secrets import ADDRESS_ADVICE, ADVICE, find_key_line, find_password_line
from pipelines.config.settings import TABLES, Settings
from pipelines.config.toml_errors import describe_toml_error

DEFAULT_PATH: Final = Path("floorline.toml")
MAX_PROBLEMS: Final = 5  # in one error


def config_path(path: Path | None = None) -> Path:
    """Return where the configuration is: at `path`, at $FLOORLINE_CONFIG, or floorline.toml."""
    return path or Path(os.environ.get(CONFIG) or DEFAULT_PATH)


def load_settings(path: Path | None = None) -> Settings:
    """Load the configuration at `path`, at $FLOORLINE_CONFIG, or in floorline.toml.

    Raises ConfigError with the file and each wrong line, or with the variable of the environment.
    """
    path = config_path(path)
    where, text = escape(str(path)), _read_text(path)
    if line := find_key_line(text):
        raise ConfigError(f"{where}: line {line} {ADVICE}")
    if line := find_password_line(text):
        raise ConfigError(f"{where}: line {line} {ADDRESS_ADVICE}")
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, phrase = describe_toml_error(error, text)
        raise ConfigError(f"{where}: line {line} {phrase}") from None
    except (ValueError, RecursionError):  # of a number of thousands of digits, or of deep brackets
        raise ConfigError(f"{where} has a number that is too long, or brackets that nest too deep") from None
    return parse_settings(fields, path.resolve().parent, where, text=text)


def parse_settings(
    fields: Mapping[str, Any], base: Path, where: str = "the configuration", *, text: str = ""
) -> Settings:
    """Validate a configuration that was read from `where`, which has the `text`, if there is any.

    Raises ConfigError with each problem.
    """
    document = Document(fields, where, text)
    unknown = [describe_unknown((key,), {}, TABLES) for key in document.fields if key not in TABLES]
    tables = {key: document.fields[key] for key in document.fields if key in TABLES}
    check_variables(TABLES, tables)
    if sets_fields(TABLES):
        from pipelines.config.environment_source import add_variables  # pydantic-settings is slow to import

        tables = add_variables(Settings, tables, TABLES)
    try:
        settings = Settings(**tables, base=base)
    except ValidationError as error:
        problems = describe_errors(error.errors(), TABLES)
        raise _as_error([*unknown, *problems], document) from None
    if problems := unknown or document.find_other_names() or list(check_references(settings)):
        raise _as_error(problems, document)
    return settings


def _as_error(problems: Sequence[Problem], document: Document) -> ConfigError:
    described = map(document.describe, problems[:MAX_PROBLEMS])
    places = itertools.groupby(described, key=itemgetter(0))
    parts = [f"{place}: {'; '.join(text for _, text in group)}" for place, group in places]
    more = [f"and {len(problems) - MAX_PROBLEMS} more"] if len(problems) > MAX_PROBLEMS else []
    return ConfigError("; ".join([*parts, *more]))


def _read_text(path: Path) -> str:
    """Return the text of a file, without its byte order mark. Raises ConfigError."""
    where = escape(str(path))
    try:
        return read_user_file(path)
    except FileNotFoundError:
        missing = next((folder for folder in reversed(path.absolute().parents) if not folder.exists()), None)
        folder = f" (there is no folder {escape(str(missing))})" if missing else ""
        raise ConfigError(
            f"there is no configuration at {where}{folder}: `floorline init` writes one; or pass the path of"
            " another with --config"
        ) from None
    except IsADirectoryError:
        raise ConfigError(f"{where} is a folder: pass the path of the file with --config") from None
    except PermissionError:
        raise ConfigError(f"{where} cannot be read by this user: allow it with `chmod u+r`") from None
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where} cannot be read: it is not UTF-8 text; save it as UTF-8") from None
    except ValueError:
        raise ConfigError(f"{where} is no path of a file") from None

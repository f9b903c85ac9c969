"""Keys: where they come from, and the one place they go to. Nothing here shows one."""

import hashlib
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import ClassVar, NoReturn, Protocol, TypeVar, final
from urllib.parse import urlsplit

from common.errors import ConfigError, KeyInvalid, KeyMissing

_PORTS = {"http": 80, "https": 443}


@final
class Key:
    """An API key that does not show itself: `repr` and `str` are masked, and it refuses to be pickled.

    `tail` is its last four characters (none of a short key's), `fingerprint` twelve hexadecimal digits of its
    SHA-256: enough to see whether the key has changed. Raises KeyInvalid for what no header can carry.
    """

    __slots__ = ("_secret", "fingerprint", "tail")

    def __init__(self, secret: str, source: str = "") -> None:
        self.tail = self.fingerprint = ""
        if not re.fullmatch(r"[\x21-\x7e]+", secret):
            secret = ""  # tracebacks may be shown with their locals
            raise KeyInvalid("the key is empty or holds a space, a control or a non-ASCII character", source)
        self._secret = secret
        if len(secret) >= 12:
            self.tail = secret[-4:]
        self.fingerprint = hashlib.sha256(secret.encode()).hexdigest()[:12]

    def reveal(self) -> str:
        """Return the key itself, for the header that carries it."""
        return self._secret

    def redact(self, text: str) -> str:
        """Return `text` with the key masked, for a server that sends it back."""
        return text.replace(self._secret, repr(self))

    def __repr__(self) -> str:
        return f"Key(…{self.tail})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never written down")


def read_key(spec: str, source: str, env: Mapping[str, str]) -> Key:
    """Read the key that `spec` ("env:NAME" or "file:PATH") points to; `source` is whose key it is.

    Raises KeyMissing where there is none, saying where to put it, KeyInvalid for what cannot be a key, and
    ConfigError for any other spec (not repeated: it may be the key itself) and for a file that others can
    read.
    """
    kind, _, where = spec.partition(":")
    if kind == "env" and where:
        if not env.get(where, "").strip():
            env = {}  # tracebacks may be shown with their locals
            raise KeyMissing(f"the environment variable {where} is not set", source)
        return Key(env[where].strip(), source)
    if kind == "file" and where:
        return Key(_read_private(Path(where).expanduser(), source), source)
    raise ConfigError("a key is given as env:NAME or file:PATH, never as itself", source)


def _read_private(path: Path, source: str) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"the key file {path} is open to others: chmod 600 it", source)
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise KeyMissing(f"the key file {path} cannot be read: {reason}", source) from None
    if not secret:
        raise KeyMissing(f"the key file {path} is empty", source)
    return secret


class _Url(Protocol):
    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | None: ...


class _Outgoing(Protocol):
    @property
    def url(self) -> _Url: ...
    @property
    def headers(self) -> MutableMapping[str, str]: ...


_Request = TypeVar("_Request", bound=_Outgoing)


class HeaderAuth:
    """Puts the key into a header of a request to the source's own scheme, host and port, and of no other."""

    header: ClassVar[str]
    prefix: ClassVar[str] = ""

    def __init__(self, key: Key, base_url: str) -> None:
        self._key = key
        parts = urlsplit(base_url)
        self._origin = _origin(parts.scheme, parts.hostname or "", parts.port)

    def __call__(self, request: _Request) -> _Request:
        """Return `request`, with the key where it may go."""
        url = request.url
        if _origin(url.scheme, url.host, url.port) == self._origin:
            request.headers[self.header] = f"{self.prefix}{self._key.reveal()}"
        return request


@final
class BearerAuth(HeaderAuth):
    """`Authorization: Bearer KEY`, as CS2Cap has it."""

    header = "Authorization"
    prefix = "Bearer "


@final
class ApiKeyAuth(HeaderAuth):
    """`api-key: KEY`, as SkinShark has it: that name and no other."""

    header = "api-key"


def _origin(scheme: str, host: str, port: int | None) -> tuple[str, str, int | None]:
    return scheme.lower(), host.lower(), port or _PORTS.get(scheme.lower())

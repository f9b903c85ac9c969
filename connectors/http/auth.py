"""API keys: read them, and send them in a header to their own source. No text or error shows a key."""

import hashlib
import json
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import ClassVar, NoReturn, Protocol, TypeVar, final
from urllib.parse import quote, urlsplit

from common.errors import ConfigError, KeyInvalid, KeyMissing
from common.files import expand_home, read_user_file

_PORTS = {"http": 80, "https": 443}
_SHORTEST_MASKED = 8


@final
class Key:
    """An API key with a masked `repr` and `str`; it cannot be pickled or copied.

    `tail` is the last four characters (empty for a short key). `fingerprint` is twelve hexadecimal digits of
    the SHA-256, which show whether the key has changed. Raises KeyInvalid for text that no header can carry.
    """

    __slots__ = ("_secret", "fingerprint", "tail")

    def __init__(self, secret: str, source: str = "") -> None:
        self.tail = self.fingerprint = ""
        if not re.fullmatch(r"[\x21-\x7e]+", secret):
            secret = ""  # some tracebacks show local variables
            raise KeyInvalid("the key is empty or holds a space, a control or a non-ASCII character", source)
        self._secret = secret
        if len(secret) >= 12:
            self.tail = secret[-4:]
        self.fingerprint = hashlib.sha256(secret.encode()).hexdigest()[:12]

    def reveal(self) -> str:
        """Return the secret, for the header that carries it."""
        return self._secret

    def redact(self, text: str) -> str:
        """Return `text` with the key masked: a server may send the key back."""
        return text.replace(self._secret, repr(self))

    @property
    def mask(self) -> "KeyMask":
        """What masks this key in bodies, also in the worker process."""
        return KeyMask(self._secret, repr(self))

    def __repr__(self) -> str:
        return f"Key(…{self.tail})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key cannot be pickled or copied")


class KeyMask:
    """Masks one key in the bodies of responses, whose rows, names and ids are stored.

    Other than the key, the mask can be pickled: the worker process that inflates bodies gets it through a
    socket of its parent. The key of a few characters is not masked, which would destroy what is no key.
    """

    __slots__ = ("_masked", "_needles")

    def __init__(self, secret: str, masked: str) -> None:
        # As it is, as a string of JSON shows it, and as a URL does.
        spellings = {secret, json.dumps(secret)[1:-1], secret.replace("/", "\\/"), quote(secret, safe="")}
        self._needles = [each.encode() for each in spellings] if len(secret) >= _SHORTEST_MASKED else []
        self._masked = masked.encode()

    def __call__(self, body: bytes) -> bytes:
        """Return `body` with the key masked."""
        for needle in self._needles:
            if needle in body:
                body = body.replace(needle, self._masked)
        return body

    def __repr__(self) -> str:
        return f"KeyMask({self._masked.decode()})"


def read_key(spec: str, source: str, env: Mapping[str, str]) -> Key:
    """Return the key of `source` that `spec` ("env:NAME" or "file:PATH") names.

    Raises KeyMissing where there is no key, KeyInvalid for a text that cannot be a key, and ConfigError for
    any other spec (which the error does not show: it may be the key itself) and for a file that other users
    can read.
    """
    kind, _, location = spec.partition(":")
    if kind == "env" and location:
        if not env.get(location, "").strip():
            env = {}  # some tracebacks show local variables
            raise KeyMissing(f"the environment variable {location} is not set", source)
        return Key(env[location].strip(), source)
    if kind == "file" and location:
        return Key(_read_private_file(expand_home(location), source), source)
    raise ConfigError("a key is given as env:NAME or file:PATH, never as itself", source)


def _read_private_file(path: Path, source: str) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"the key file {path} is open to others: chmod 600 it", source)
        secret = read_user_file(path).strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text, or no path"
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


class _HttpRequest(Protocol):
    @property
    def url(self) -> _Url: ...
    @property
    def headers(self) -> MutableMapping[str, str]: ...


_Request = TypeVar("_Request", bound=_HttpRequest)


class HeaderAuth:
    """Sends the key in a header, to the source's own scheme, host and port only. A callable auth of httpx."""

    header: ClassVar[str]
    prefix: ClassVar[str] = ""

    def __init__(self, key: Key, base_url: str) -> None:
        self._key = key
        parts = urlsplit(base_url)
        self._origin = _origin(parts.scheme, parts.hostname or "", parts.port)

    def __call__(self, request: _Request) -> _Request:
        """Return `request`, with the key if the request goes to the source."""
        url = request.url
        if _origin(url.scheme, url.host, url.port) == self._origin:
            request.headers[self.header] = f"{self.prefix}{self._key.reveal()}"
        return request


@final
class BearerAuth(HeaderAuth):
    """The header `Authorization: Bearer KEY`, as CS2Cap requires."""

    header = "Authorization"
    prefix = "Bearer "


@final
class ApiKeyAuth(HeaderAuth):
    """The header `api-key: KEY`, as SkinShark requires."""

    header = "api-key"


def _origin(scheme: str, host: str, port: int | None) -> tuple[str, str, int | None]:
    return scheme.lower(), host.lower(), port or _PORTS.get(scheme.lower())

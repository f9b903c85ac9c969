"""Errors of a source that has not answered yet: why there is no connection, and what else answers."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from common.errors import (
    ConnectFailed,
    ConnectionLost,
    Intercepted,
    RequestRejected,
    RequestTimeout,
    SourceError,
    WrongAddress,
)

# By the verification codes of OpenSSL.
_CERTIFICATES: Final = {
    9: "its certificate is not valid yet: check this machine's clock",
    10: "its certificate has expired",
    18: "its certificate is signed by itself: no authority vouches for it",
    19: "its certificate is signed by an authority that this machine does not know",
    20: "its certificate is signed by an authority that this machine does not know",
    62: "its certificate is for another host",
    64: "its certificate is for another host",
}
_OFFLINE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN})
# Statuses of a server that has no such route.
_NO_ROUTE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})


def describe_connect_failure(error: BaseException) -> str | None:
    """Return why no connection was made, by the system's errors below `error`; None if they do not say."""
    return next(filter(None, map(_describe, _causes(error))), None)


def _describe(error: BaseException) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATES.get(error.verify_code, "its certificate cannot be verified")
    if isinstance(error, ssl.SSLError):
        return "what listens there does not speak https" if error.reason == "WRONG_VERSION_NUMBER" else None
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return "no name server answers: is this machine online?"
        return "no host has this name"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nothing listens there"
    return "no way to this host: is this machine online?" if getattr(error, "errno", 0) in _OFFLINE else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that led to it; of a group, those of its members."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from _causes(member)
        error = error.__cause__ or error.__context__


def explain(error: SourceError, base_url: str, route: str) -> SourceError:
    """Return the error of a source that has not answered yet, with its address.

    A server without the route is not the API: its error is WrongAddress.
    """
    if isinstance(error, RequestRejected) and error.status in _NO_ROUTE and not error.code:
        phrase = HTTPStatus(error.status).phrase
        return WrongAddress(
            f"what answers at {base_url} is not this API: it has no {route} ({error.status} {phrase})",
            error.source,
        )
    if isinstance(error, ConnectionLost) and not isinstance(error, ConnectFailed):
        error.detail += f"; what listens there may not speak {base_url.partition(':')[0]}"
    if isinstance(error, ConnectionLost | RequestTimeout | Intercepted) and base_url not in error.detail:
        error.detail = f"{base_url}: {error.detail}"
    return error

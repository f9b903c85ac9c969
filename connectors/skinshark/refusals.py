"""What a refusal of SkinShark's listing is about: its size, or the parameter `market`. Pure functions."""

from http import HTTPStatus

from common.errors import Outage, RateLimited, RequestRejected, SourceError, TransientError


def needs_pages(error: SourceError) -> bool:
    """Return whether pages can arrive where the whole listing did not: its limit or its size was the problem.

    A rejection without a status is of a page that arrived in the place of the whole listing.
    """
    if isinstance(error, RequestRejected):
        if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            return not error.fields or _names(error, "limit")
        return error.status in {None, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
    return isinstance(error, TransientError) and not isinstance(error, Outage | RateLimited)


def refuses_value(error: RequestRejected) -> bool:
    """Return whether the API itself refuses the value of `market`, which shows that it reads `market`."""
    refused = error.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY} and error.code
    return bool(refused) and (not error.fields or _names(error, "market"))


def refuses_market(error: RequestRejected, limit: int) -> bool:
    """Return whether a server refuses `market`; of a whole listing it may refuse the limit instead."""
    if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
        return False
    return _names(error, "market") or (not error.fields and limit != -1)


def _names(error: RequestRejected, parameter: str) -> bool:
    return any(field.rpartition(".")[2] == parameter for field in error.fields)

"""Where a contract file contradicts the other documents of its API, or what the API is known to do.

The sandboxes follow the other documents there. Tests that compare a sandbox with its contract leave out these
points, and no others.
"""

from __future__ import annotations

from typing import NamedTuple


class Contradiction(NamedTuple):
    """One point: the operation ("GET /path"), the part of it, what the contract says, and what holds.

    `part` is "response STATUS", "parameter NAME", "other methods", or the path of a field in the data of a
    success, such as "items.phases".
    """

    operation: str
    part: str
    contract: str
    fact: str


_PRICES, _MERCHANT, _FEES, _USER = "GET /market/prices", "GET /merchant", "GET /merchant/fees", "GET /user"
_ANY_ROUTE = "every route can answer with the errors that all routes share"
SKINSHARK = (
    *(
        Contradiction(operation, f"response {status}", "not listed", _ANY_ROUTE)
        for operation in (_PRICES, _MERCHANT, _FEES, _USER)
        for status in (400, 404, 422, 429, 500, 503, 504)
        if (operation, status) != (_PRICES, 429)
    ),
    Contradiction(_PRICES, "items.phases", "phase -> price", "newer documents: phase -> both prices"),
    *(
        Contradiction(operation, "other methods", "not listed", "404 NOT_FOUND, as for an unknown path")
        for operation in (_PRICES, _MERCHANT, _FEES, _USER)
    ),
    Contradiction(_PRICES, "parameter market", "0 to 6", "its text: 0, 3 or 4; newer documents: none"),
    Contradiction(_PRICES, "parameter limit", "any integer", "its text: -1, or 1 to 500; the others get 422"),
    *(
        Contradiction(operation, "merchantFeeBps", "required", "newer documents: buyFeeBps and sellFeeBps")
        for operation in (_MERCHANT, _FEES)
    ),
    Contradiction(_USER, "parameter On-Behalf-Of", "required by its text", "three guides: optional"),
)


def parts(contradictions: tuple[Contradiction, ...], operation: str) -> frozenset[str]:
    """Return the parts of one operation in which its contract is contradicted."""
    return frozenset(each.part for each in contradictions if each.operation == operation)

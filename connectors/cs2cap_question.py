"""What a walk asks for, and whether an answer is one to that."""

from dataclasses import dataclass

from connectors.cs2cap_rows import Offers
from connectors.errors import ContractBroken, WalkBroken, plain
from connectors.plan import Item


@dataclass(frozen=True, slots=True)
class Question:
    """What a walk asks for: `item`, or everything if None; `providers` to ask at, or every one if empty.

    Of everything, only the rows of the items `wanted` are kept, if there are such.
    """

    source: str
    offers: Offers
    place: int
    currency: str
    providers: frozenset[str]
    item: Item | None
    wanted: tuple[Item, ...] | None = None


def check_answer(question: Question, offset: int, currency: str, got: int) -> None:
    """Raise ContractBroken for an answer in another `currency`, WalkBroken for one from another offset."""
    if currency != question.currency:
        raise ContractBroken(f"asked for {question.currency}, got {plain(currency, 20)}", question.source)
    if got != offset:
        raise WalkBroken(f"asked for offset {offset}, got {got}", question.source)


def check_providers(told: frozenset[str], asked: frozenset[str], source: str) -> None:
    """Raise ContractBroken where others are `told` of than were `asked`; if empty, all were."""
    strangers = told - asked if asked else ()
    if strangers:
        raise ContractBroken(f"not asked for {plain(', '.join(sorted(strangers)))}", source)

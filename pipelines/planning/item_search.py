"""Find items by plain words and the abbreviations of traders, as in "ak redline ft". Pure."""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self

from common.shards import Item

if TYPE_CHECKING:
    import polars as pl

# These words stand for nothing else: "st" is not the beginning of "Sticker".
MARKS: Final = {
    "fn": ("factory", "new"),
    "mw": ("minimal", "wear"),
    "ft": ("fieldtested",),
    "ww": ("wellworn",),
    "bs": ("battlescarred",),
    "st": ("stattrak",),
    "sv": ("souvenir",),
}
# These words may also stand for themselves: "p2" is the beginning of "P250", too.
NICKNAMES: Final = {
    "bfk": ("butterfly", "knife"),
    "deagle": ("desert", "eagle"),
    "duals": ("dual", "berettas"),
    "galil": ("galil", "ar"),
    "scout": ("ssg", "08"),
    "souv": ("souvenir",),
    **{f"p{number}": ("phase", str(number)) for number in range(1, 5)},
}
VARIANTS: Final = frozenset({"stattrak", "souvenir"})
UNSPOKEN: Final = frozenset({"knife", "gloves"})  # nobody says these words of a name
# What is written as the API writes names is a name, and no search: "AK-47 | Redline (Field-Tested)".
NAME_CHARACTERS: Final = re.compile(r'[|()*@\\★"]')
WORD: Final = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")  # noqa: RUF001
WEAR: Final = re.compile(r" \((Factory New|Minimal Wear|Field-Tested|Well-Worn|Battle-Scarred)\)$")
PART: Final = re.compile(r"[^\W_]+")


class ItemSearch:
    """Items, each as (item_id, market_hash_name, phase), to be searched by words.

    Each word of a search must be the beginning of a word of the name, or of a part after a hyphen, in any
    order and any case; blanks and hyphens may be missing, as in "ak47" and "factorynew".
    """

    def __init__(self, rows: Sequence[tuple[str | None, str, str | None]]) -> None:
        # The letters of each name, in which the forms of its words are. To find the few names that have the
        # letters of a search takes a tenth of the time that the forms of all names take.
        self._letters = [(item, _letters_of(item)) for item in _items(rows)]

    @classmethod
    def of_catalog(cls, catalog: pl.DataFrame) -> Self:
        """Return the search of a catalog (schema `ITEMS`)."""
        return cls(catalog.select("item_id", "market_hash_name", "phase").rows())

    def find(self, text: str) -> list[Item]:
        """Return the items that have all words of a search; first those of which most words are said.

        StatTrak and souvenir items come after the others, unless they are asked for.
        """
        said = _said(text)
        return sorted(self._matches(text), key=lambda item: _rank(item, said))

    def find_best(self, text: str) -> list[Item]:
        """Return the first items of `find`: those that fit equally well, whatever their wear is."""
        said = _said(text)
        ranked = [(_rank(_without_wear(item), said), item) for item in self.find(text)]
        best = min((rank for rank, _ in ranked), default=None)
        return [item for rank, item in ranked if rank == best]

    def correct(self, text: str) -> str | None:
        """Return a search with the nearest words of names in place of those that no name has.

        None if no item has these words either.
        """
        words = _split(text)
        near = {
            word: next(iter(difflib.get_close_matches(_join(word), self._forms, n=1)), word)
            for word in words
            if not any(True for _ in self._matches(word))
        }
        corrected = " ".join(near.get(word, word) for word in words)
        return corrected if self.find(corrected) else None

    def resolve(self, text: str) -> Item | None:
        """Return the item of which a search says every word; None if there is none, or more than one.

        An item of which some words are not said is never chosen, though it may be the only one that is found:
        another item would be chosen as soon as a catalog gains or loses an entry.
        """
        said = _said(text)
        near = {pair for word in said for pair in self._by_first_word.get(word, ())}
        whole = [item for item in self._matches(text, near) if not _count_unsaid(item, said)]
        return whole[0] if len(whole) == 1 else None

    @functools.cached_property
    def _forms(self) -> set[str]:
        """The forms of all words of all names."""
        return {form for item, _ in self._letters for form in _beginnings(item).split()}

    @functools.cached_property
    def _by_first_word(self) -> dict[str, list[tuple[Item, str]]]:
        """The names by the forms of their first word: a configuration may have many items to resolve."""
        by_form: dict[str, list[tuple[Item, str]]] = {}
        for pair in self._letters:
            for form in next(_forms_of_words(pair[0]), ()):
                by_form.setdefault(form, []).append(pair)
        return by_form

    def _matches(self, text: str, names: Iterable[tuple[Item, str]] | None = None) -> Iterator[Item]:
        """Yield the items that have all words of a search; of `names`, or of all."""
        asked = [_meanings(word) for word in _split(text)]
        if not asked:
            return
        near = self._letters if names is None else names
        # One word after the other: a list of what is left takes a tenth of the time of a test of each name.
        for words in (meanings[0] for meanings in asked if len(meanings) == 1):
            for word in words:
                near = [pair for pair in near if word in pair[1]]
        for item, letters in near:
            if _has_all(asked, letters) and _has_all(asked, _beginnings(item), before=" "):
                yield item


def may_be_search(text: str) -> bool:
    """Return whether a selector of items is plain words, and not written as the API writes a name."""
    return not NAME_CHARACTERS.search(text) and not text.strip().isdecimal()


def _items(rows: Sequence[tuple[str | None, str, str | None]]) -> Iterator[Item]:
    """Yield the items of a catalog; before the phases of an item that has nothing else, their aggregate."""
    with_aggregate = {name for _, name, phase in rows if phase is None}
    for item_id, name, phase in rows:
        if name not in with_aggregate:
            with_aggregate.add(name)
            yield Item(None, name, None)
        yield Item(item_id, name, phase)


def _letters_of(item: Item) -> str:
    """Return the letters and digits of a name in lower case, without anything between them."""
    return _join(_normalize(f"{item.market_hash_name} {item.phase or ''}"))


def _beginnings(item: Item) -> str:
    """Return the forms of the words of a name, each behind a blank."""
    words = _words_of(item)
    joined = list(map(_join, words))
    parts = (part for word in words for part in PART.findall(word))
    return " ".join(["", *joined, *parts, *map("".join, pairwise(joined))])


def _has_all(asked: Sequence[Sequence[tuple[str, ...]]], text: str, before: str = "") -> bool:
    """Return whether a text has, for each word of a search, all words that it can stand for."""
    return all(any(all(before + word in text for word in words) for words in meanings) for meanings in asked)


def _without_wear(item: Item) -> Item:
    return item._replace(market_hash_name=WEAR.sub("", item.market_hash_name))


def _rank(item: Item, said: set[str]) -> tuple[bool, int]:
    """Return how far an item is from the first place of a search."""
    return not (VARIANTS - said).isdisjoint(_words_of(item)), _count_unsaid(item, said)


def _count_unsaid(item: Item, said: set[str]) -> int:
    """Return how many words of a name are not said."""
    return sum(said.isdisjoint(forms) for forms in _forms_of_words(item))


def _forms_of_words(item: Item) -> Iterator[tuple[str, ...]]:
    """Yield how each word of a name can be said: whole, by its first part, with the word before or after."""
    words = _words_of(item)
    joined = list(map(_join, words))
    pairs = ["", *map("".join, pairwise(joined)), ""]
    for word, whole, before, after in zip(words, joined, pairs, pairs[1:], strict=False):
        if whole not in UNSPOKEN:
            yield whole, PART.findall(word)[0], before, after


def _words_of(item: Item) -> list[str]:
    return _split(f"{item.market_hash_name} {item.phase or ''}")


def _split(text: str) -> list[str]:
    """Return the words of a text in lower case, with their hyphens."""
    return WORD.findall(_normalize(text))


def _normalize(text: str) -> str:
    return unicodedata.normalize("NFKC", text.replace("™", " ")).casefold()


def _join(word: str) -> str:
    return "".join(PART.findall(word))


def _meanings(word: str) -> list[tuple[str, ...]]:
    """Return what a word of a search can stand for, each as words of a name."""
    word = _join(word)
    if word in MARKS:
        return [MARKS[word]]
    return [(word,), *([NICKNAMES[word]] if word in NICKNAMES else [])]


def _said(text: str) -> set[str]:
    return {part for word in _split(text) for words in _meanings(word) for part in words}

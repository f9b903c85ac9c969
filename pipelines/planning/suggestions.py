"""Suggest the known name that a wrong name may stand for, and show a difference that eyes miss. Pure."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from common.text import quote

ELLIPSIS: Final = "…"  # at the end of a name that was too long for a terminal
CUTOFF: Final = 0.5  # the least similarity of a suggestion, from 0 to 1
MAX_DIFFERENCES: Final = 3
LOOK_ALIKES: Final = str.maketrans(
    dict.fromkeys("‐‑‒–—―−⁃˗﹘﹣➖", "-")  # noqa: RUF001
    | dict.fromkeys("¦│┃ǀ∣❘❙⎮丨", "|")  # noqa: RUF001
    | dict.fromkeys("’‘ʼʹ′`´", "'")  # noqa: RUF001
    | dict.fromkeys("“”″„", '"')
    | dict.fromkeys("*☆⭐✭✮✯", "★")
)
UNSEEN: Final = re.compile("[\\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]+")


def suggest(text: str, known: Iterable[str]) -> str:
    """Return a question for the nearest known name; empty if no name is near.

    The nearest is a name that differs only in blanks, case, Unicode form or characters that look alike, or
    one of which a terminal showed the beginning and an ellipsis.
    """
    by_form: dict[str, list[str]] = {}
    for name in known:
        by_form.setdefault(fold(name), []).append(name)
    form = _nearest_form(text, by_form)
    if form is None:
        return ""
    name = max(by_form[form], key=lambda name: difflib.SequenceMatcher(None, text, name).ratio())
    return f"; did you mean {quote(name)}?{describe_difference(text, name)}"


def _nearest_form(text: str, forms: Mapping[str, object]) -> str | None:
    if fold(text) in forms:
        return fold(text)
    start = fold(text.removesuffix(ELLIPSIS))
    if text.endswith(ELLIPSIS) and (longer := next((form for form in forms if form.startswith(start)), None)):
        return longer
    return next(iter(difflib.get_close_matches(fold(text), forms, n=1, cutoff=CUTOFF)), None)


def suggest_glob(pattern: str, known: Iterable[str]) -> str:
    """Return a question for the first name that a glob matches in another spelling; empty if none."""
    matches = compile_glob([fold(part) for part in pattern.split("*")]).fullmatch
    name = next((name for name in known if matches(fold(name))), None)
    return "" if name is None else f"; do you mean names like {quote(name)}?"


def compile_glob(parts: Sequence[str]) -> re.Pattern[str]:
    """Compile a glob from the texts between its asterisks, two at the least; match it with `fullmatch`.

    Unlike fnmatch's, it gives `?` and `[` no meaning. The first place where a part fits is final, which is
    enough: with other places to try, a pattern of many asterisks would never end.
    """
    first, *middle, last = map(re.escape, parts)
    found = "".join(f"(?>.*?{part})" for part in middle if part)
    return re.compile(f"{first}{found}.*{last}", re.DOTALL)


def fold(name: str) -> str:
    """Return a name without blanks and case, in the Unicode form NFKC, with one character for look-alikes."""
    compatible = unicodedata.normalize("NFKC", name.translate(LOOK_ALIKES))
    return UNSEEN.sub("", compatible.translate(LOOK_ALIKES)).casefold()


def describe_difference(written: str, name: str) -> str:
    """Return how a name differs from what is written, in parentheses; empty where eyes see the difference."""
    if written.casefold() == name.casefold() or written.endswith(ELLIPSIS):
        return ""
    edits = difflib.SequenceMatcher(None, written, name, autojunk=False).get_opcodes()
    changes = [
        (at, written[at:end], name[start:stop]) for tag, at, end, start, stop in edits if tag != "equal"
    ]
    if fold(written) != fold(name) and all(old.isascii() for _, old, _ in changes):
        return ""
    return f" ({'; '.join(_describe_changes(changes[:MAX_DIFFERENCES]))})"


def _describe_changes(changes: Iterable[tuple[int, str, str]]) -> Iterator[str]:
    for at, old, new in changes:
        place = f"at character {at + 1}: "
        if old and new:
            yield f"{place}{_describe_characters(new)} in the place of {_describe_characters(old)}"
        else:
            yield (
                f"{place}{_describe_characters(old)} less"
                if old
                else f"{place}{_describe_characters(new)} more"
            )


def _describe_characters(text: str) -> str:
    if not text.strip(" "):
        return "a blank" if len(text) == 1 else f"{len(text)} blanks"
    shown = ", ".join(f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip() for char in text[:3])
    return f"{shown} and more" if len(text) > 3 else shown

"""The questions of `floorline init`: one for each answer that no option gives."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, get_args

from common.errors import ConfigError
from floorline.setup.configuration_file import Answers, render_configuration
from floorline.setup.lookup import Catalogs
from floorline.setup.prompts import Prompts, split_list
from pipelines.config import Settings, parse_settings
from pipelines.config.secrets import ADVICE, find_key_line
from pipelines.config.settings import TABLES

WHERE: Final = "the configuration"
SOURCES: Final = {
    "cs2cap": "many marketplaces, history, every currency",
    "skinshark": "SkinShark's merchant API, in US dollars",
}
START: Final = {
    "cs2cap": Answers(),
    "skinshark": Answers(
        source="skinshark", key="env:SKINSHARK_API_KEY", providers=("all",), currencies=("USD",)
    ),
}
MARKETPLACES: Final = {"all": "every marketplace, also new ones"}


def settings_of(answers: Answers, base: Path) -> Settings:
    """Return the configuration of these answers in the folder `base`. Raises ConfigError."""
    text = render_configuration(answers)
    settings = parse_settings(tomllib.loads(text), base, WHERE)
    if find_key_line(text):
        raise ConfigError(f"{WHERE}: an answer {ADVICE}")
    return settings


def find_problem(answers: Answers, base: Path) -> str:
    """Return what is wrong with the answers; empty if nothing is."""
    try:
        settings_of(answers, base)
    except ConfigError as error:
        return error.detail.removeprefix(f"{WHERE}: ")
    return ""


class Interview:
    """Asks for the answers that are not `given`, starting with those of `start`.

    `load_catalogs` returns the catalogs of the source, as far as they can be read; then `catalogs` has them.
    """

    def __init__(
        self,
        prompts: Prompts,
        start: Answers,
        given: Collection[str],
        *,
        base: Path,
        load_catalogs: Callable[[Answers], Catalogs | None],
    ) -> None:
        self._prompts = prompts
        self._answers = start
        self._given = given
        self._base = base
        self._load_catalogs = load_catalogs
        self.catalogs: Catalogs | None = None

    def run(self) -> Answers:
        """Return all answers. Raises KeyboardInterrupt, EOFError and typer.Abort."""
        if "key" not in self._given:
            self._ask("key", "Where is your API key (env:NAME, file:PATH or block:NAME)?")
        if "tier" not in self._given:
            tiers = dict.fromkeys(_tiers(self._answers.source), "")
            self._set(tier=self._prompts.choose("Which tier has your account?", tiers, self._answers.tier))
        self.catalogs = self._load_catalogs(self._answers)
        if "items" not in self._given:
            self._set(items=self._ask_items(self.catalogs))
        if self._answers.source != "skinshark":
            self._ask_scope(self.catalogs)
        if "every" not in self._given:
            self._ask("every", "How often (such as 10m, 1h or 1d)?")
        if "notify" not in self._given:
            self._ask_list("notify", "Who receives alerts (Apprise URLs or env:NAME; empty: nobody)?")
        return self._answers

    def _ask_scope(self, catalogs: Catalogs | None) -> None:
        """Ask for marketplaces and currencies, of which SkinShark has one each."""
        if "providers" not in self._given:
            question = "Which marketplaces?"
            if catalogs is None:
                self._ask_list("providers", f"{question[:-1]} (keys with commas, or all)?")
            else:
                choices = {**MARKETPLACES, **catalogs.marketplaces}
                chosen = self._prompts.choose_several(question, choices, self._answers.providers)
                self._set(providers=("all",) if "all" in chosen else chosen)
        if "currencies" not in self._given:
            check = None if catalogs is None else catalogs.check_currencies
            self._ask_list("currencies", "Which currencies (with commas)?", check)

    def _ask_items(self, catalogs: Catalogs | None) -> list[str | int]:
        """Ask for items, one by one, until the answer is empty."""
        items: list[str | int] = []

        def check(text: str) -> str:
            if not text:
                return "" if items else "Name one item at least."
            return find_problem(replace(self._answers, items=[text]), self._base) or (
                "" if catalogs is None else catalogs.check_item(text, self._base)
            )

        question = 'An item, by words such as "ak redline ft":'
        while text := self._prompts.ask(question, "", check, None if catalogs is None else catalogs.find):
            items.append(text if catalogs is None else catalogs.name_item(text))
            question = "Another item (empty: no more):"
        return items

    def _ask(self, name: str, question: str) -> None:
        def check(text: str) -> str:
            return find_problem(replace(self._answers, **{name: text}), self._base)

        self._set(**{name: self._prompts.ask(question, getattr(self._answers, name), check)})

    def _ask_list(
        self, name: str, question: str, find_unknown: Callable[[Sequence[str]], str] | None = None
    ) -> None:
        def check(text: str) -> str:
            answer: dict[str, Any] = {name: split_list(text)}
            problem = find_problem(replace(self._answers, **answer), self._base)
            return problem or (find_unknown(answer[name]) if find_unknown else "")

        default = ", ".join(getattr(self._answers, name))
        self._set(**{name: split_list(self._prompts.ask(question, default, check))})

    def _set(self, **answers: Any) -> None:  # noqa: ANN401 - the types are those of Answers
        self._answers = replace(self._answers, **answers)


def choose_source(prompts: Prompts) -> str:
    """Return the kind of the source."""
    return prompts.choose("Which API do you have a key for?", SOURCES, "cs2cap")


def _tiers(source: str) -> tuple[str, ...]:
    models = {model.model_fields["kind"].default: model for model in TABLES["sources"]}
    return get_args(models[source].model_fields["tier"].annotation)

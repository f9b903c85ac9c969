"""The commented text of a configuration, as `floorline init` writes it; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import tomlkit

HEADER: Final = """\
# What Floorline observes, and where Floorline keeps the record. docs/configuration.md describes every key.
# After a change: `floorline config check`, and `floorline plan` for the cost. Each key can also be set in the
# environment, as in FLOORLINE_WAREHOUSE__PATH. Never write an API key here: `key` says where the key is.
"""
TIERS: Final = {
    "cs2cap": '"auto": the tier that the API reports; or "free", "starter", "pro", "quant"',
    "skinshark": '"auto" is "standard", because the API reports none; or "premium", "enterprise"',
}
ALERTS: Final = """\
# Who receives alerts, as of a rejected key: Apprise URLs (Slack, mail, webhooks and many others), or env:NAME
# of a variable that holds such a URL. `floorline alerts list` shows the open alerts in any case.
"""
WATCHES: Final = """\
# A watch raises an alert while its rows match: an item with a price bound, or a query (docs/how-to-watch.md).
# [[watches]]
# name = "cheap-redline"
# item = "AK-47 | Redline (Field-Tested)"
# below = 12.50  # or above, or both; marketplace = "steam" for one marketplace
"""
NO_ALERTS: Final = """\
# [alerts]
# notify = ["env:ALERT_URL"]
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a user wants to observe: one basket of one source, by the names of the configuration.

    `base_url` is empty for the production address of the API, `every` a duration such as "10m".
    """

    source: str = "cs2cap"
    key: str = "env:CS2C_API_KEY"
    tier: str = "auto"
    items: Sequence[str | int] = (
        "AK-47 | Redline (Field-Tested)",
        "AWP | Asiimov (Field-Tested)",
        "★ Karambit | Doppler (Factory New) @ *",
    )
    providers: Sequence[str] = ("steam", "buff163", "csfloat", "skinport")
    currencies: Sequence[str] = ("USD", "EUR")
    every: str = "10m"
    base_url: str = ""
    notify: Sequence[str] = ()
    basket: str = "core"
    warehouse: str = "data"


def render_configuration(answers: Answers) -> str:
    """Return the text of floorline.toml for these answers."""
    parts = [HEADER, _warehouse(answers), _source(answers), _basket(answers), WATCHES, _alerts(answers)]
    return "\n".join(parts)


def _warehouse(answers: Answers) -> str:
    return f"""\
[warehouse]
path = {_value(answers.warehouse)}  # the folder of the database; relative to the folder of this file

# Several machines keep one record: they share a PostgreSQL database and a bucket (docs/configuration.md).
# [shared]
# database = "env:FLOORLINE_DATABASE_URL"
# storage = "s3://bucket/prefix"
"""


def _source(answers: Answers) -> str:
    address = f"base_url = {_value(answers.base_url)}\n" if answers.base_url else ""
    return f"""\
[sources.{answers.source}]
{address}# Where the key is: env:NAME, file:PATH (of mode 0600), or block:NAME (a Prefect Secret block).
key = {_value(answers.key)}
tier = {_value(answers.tier)}  # {TIERS[answers.source]}
"""


def _basket(answers: Answers) -> str:
    return f"""\
# A basket is observed at an interval; add as many as you need, each with its own name.
[[baskets]]
name = {_value(answers.basket)}
source = {_value(answers.source)}
# Names, ids, words ("ak redline ft"), globs ("★ Karambit | *"), "file:items.txt", or "all".
# `floorline items search WORDS` finds names.
items = {_list(answers.items)}
# Marketplaces, as `floorline providers` lists them, or "all".
providers = {_value(answers.providers)}
currencies = {_value(answers.currencies)}
every = {_value(answers.every)}  # or cron = "0 9 * * 1-5" and timezone = "Europe/Berlin"
"""


def _alerts(answers: Answers) -> str:
    if not answers.notify:
        return ALERTS + NO_ALERTS
    return f"{ALERTS}[alerts]\nnotify = {_value(answers.notify)}\n"


def _list(values: Sequence[str | int]) -> str:
    """Return a list of TOML with one entry a line, or on one line if there is one entry."""
    if len(values) <= 1:
        return _value(values)
    entries = "".join(f"    {_value(value)},\n" for value in values)
    return f"[\n{entries}]"


def _value(value: str | int | Sequence[str | int]) -> str:
    return tomlkit.item(list(value) if isinstance(value, tuple | list) else value).as_string()

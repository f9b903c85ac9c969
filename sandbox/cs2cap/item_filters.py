"""The filters of `/v1/items`: exact texts without regard to case, flags, crates, and a part of the name."""

from collections.abc import Iterable, Mapping

from sandbox.cs2cap import params
from sandbox.cs2cap.reference_data import item_json
from sandbox.http_types import ApiRequest, Json
from sandbox.market.catalog import Item

# Some of these fields are unknown of every item: the API knows more of an item than the sandbox does.
_TEXTS = (
    "market_hash_name",
    "item_type",
    "item_subtype",
    "weapon_type",
    "base_name",
    "skin_name",
    "wear_name",
    "phase",
    "collection",
    "rarity_name",
    "rarity_color",
    "style_name",
)
_FLAGS = ("is_stattrak", "is_souvenir")


def find_items(items: Iterable[Item], request: ApiRequest) -> list[Item]:
    """Return the items that match every filter of a query. Raises ApiError for a wrong id or flag."""
    texts = {name: text.casefold() for name in _TEXTS if (text := request.one(name)) is not None}
    flags = {name: flag for name in _FLAGS if (flag := params.parse_flag(request, name)) is not None}
    item_id = params.parse_int(request, "item_id", least=1)
    part = (request.one("q") or "").casefold()
    if request.all("crates"):  # no item of the sandbox is in a crate
        return []
    return [
        item
        for item in items
        if item_id in {None, item.item_id}
        and part in item.name.casefold()
        and _matches(item_json(item), texts, flags)
    ]


def _matches(fields: Mapping[str, Json], texts: Mapping[str, str], flags: Mapping[str, bool]) -> bool:
    return all(fields.get(name) is flag for name, flag in flags.items()) and all(
        str(fields.get(name) or "").casefold() == text != "" for name, text in texts.items()
    )

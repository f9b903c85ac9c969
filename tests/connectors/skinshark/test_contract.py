"""SkinShark's prices become exact cents and decimals, without floats; rows that do not fit are rejected."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UnexpectedResponse
from connectors.decoding import DecodedRows
from connectors.schemas import ITEMS, QUOTES
from connectors.skinshark.contract import decode_listing, reparse_reject, to_quotes_frame
from connectors.skinshark.listing import list_items
from connectors.skinshark.rows import Row, decode_rows

CENTS = st.integers(0, 10**14 - 1)


def listing_body(*rows: str) -> bytes:
    """Return a listing of these rows, given as JSON."""
    position = {"total": len(rows), "page": 1, "limit": -1, "totalPages": 1}
    return f'{{"items":[{",".join(rows)}],{json.dumps(position)[1:]}'.encode()


def parse(*rows: str) -> DecodedRows[Row]:
    return decode_rows(decode_listing(listing_body(*rows)).items)


def row(standard: str, **fields: Any) -> str:
    """Return a row as JSON, with this text as its standard price."""
    rest = {"itemId": "7", "marketHashName": "AWP | Asiimov (Field-Tested)", "instant": None, **fields}
    return f'{json.dumps(rest)[:-1]},"standard":{standard}}}'


@given(CENTS, st.sampled_from(["two places", "as javascript does", "exponent"]))
def test_prices_are_parsed_exactly_in_every_notation(cents: int, notation: str) -> None:
    exact = Decimal(cents).scaleb(-2)
    texts = {
        "two places": f"{exact:.2f}",
        "as javascript does": f"{exact:.2f}".rstrip("0").rstrip("."),
        "exponent": f"{cents}E-2",
    }
    parsed = parse(row(texts[notation]))
    (quote,) = to_quotes_frame(parsed.fitting, "c5").iter_rows(named=True)
    assert (quote["lowest_ask"], quote["price"]) == (cents, exact)


@given(CENTS, st.integers(1, 9))
def test_price_with_fraction_of_a_cent_is_rejected(cents: int, third: int) -> None:
    parsed = parse(row(f"{cents // 100}.{cents % 100:02}{third}"), row("1.25"))
    assert [each.standard for each in parsed.fitting] == [None, Decimal("1.25")]
    assert "standard: " in parsed.rejects[0].reason
    assert "whole cents" in parsed.rejects[0].reason
    assert f'"standard":{cents // 100}.{cents % 100:02}{third}' in parsed.rejects[0].raw


@pytest.mark.parametrize(
    "text", ["-0.01", "1e14", "1e999999", "1e-400", '"NaN"', '"much"', "true", "[]", '"Infinity"']
)
def test_invalid_price_is_rejected_and_can_be_reparsed_after_a_fix(text: str) -> None:
    parsed = parse(row("3.5"), row(text))
    assert [each.standard for each in parsed.fitting] == [Decimal("3.5"), None]
    assert [reject.raw for reject in parsed.rejects] == [row(text)]
    assert reparse_reject(parsed.rejects[0].raw, "c5") is None
    fixed = reparse_reject(parsed.rejects[0].raw.replace(text, "2.50"), "c5")
    assert fixed is not None
    assert fixed["price"].to_list() == [Decimal("2.50")]


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ({"Ruby": 900.5, "Phase 1": 310}, [("Ruby", "standard", 90050), ("Phase 1", "standard", 31000)]),
        (
            {"Ruby": {"standard": 900.5, "instant": 950}, "Phase 1": {"standard": 310, "instant": None}},
            [("Ruby", "standard", 90050), ("Ruby", "instant", 95000), ("Phase 1", "standard", 31000)],
        ),
        (
            {"Ruby": 900.5, "Phase 1": {"standard": None, "instant": 9.99}, "Phase 2": None},
            [("Ruby", "standard", 90050), ("Phase 1", "instant", 999)],
        ),
        ({}, []),
        (None, []),
    ],
    ids=["old", "new", "mixed", "empty", "null"],
)
def test_row_gives_one_quote_per_phase_and_delivery(
    phases: dict[str, Any] | None, expected: list[tuple[str, str, int]]
) -> None:
    parsed = parse(row("305.1", instant=320.02, phases=phases), row("null"))
    assert (parsed.rejects, parsed.unknown_fields) == ((), {})
    quotes = to_quotes_frame(parsed.fitting, "skinshark")
    assert quotes.schema == QUOTES
    assert quotes.select("phase", "delivery", "lowest_ask").rows() == [
        (None, "standard", 30510),
        (None, "instant", 32002),
        *expected,
    ]
    assert set(quotes["provider"]) == {"skinshark"}
    for missing in ("quantity", "timestamp", "last_updated", "url"):
        assert quotes[missing].null_count() == len(quotes)


def test_listing_without_prices_gives_an_empty_frame() -> None:
    assert to_quotes_frame(parse(row("null")).fitting, "c5").schema == QUOTES


@pytest.mark.parametrize(
    ("fields", "problem", "kept"),
    [
        ({"instant": "much"}, "instant: ", ["standard", "Ruby standard", "Ruby instant", "Phase 1 standard"]),
        ({"phases": [1, 2]}, "phases: ", ["standard", "instant"]),
        ({"phases": "Ruby"}, "phases: ", ["standard", "instant"]),
        ({"Ruby": 9.005}, "phases.Ruby: ", ["standard", "instant", "Phase 1 standard"]),
        ({"Ruby": [1]}, "phases.Ruby: ", ["standard", "instant", "Phase 1 standard"]),
        (
            {"Ruby": {"standard": 9, "instant": -1}},
            "phases.Ruby.instant: ",
            ["standard", "instant", "Ruby standard", "Phase 1 standard"],
        ),
        (
            {"Ruby": {"instant": 9}},
            "phases.Ruby.standard: missing",
            ["standard", "instant", "Ruby instant", "Phase 1 standard"],
        ),
        (
            {"Ruby": {"standard": 9}},
            "phases.Ruby.instant: missing",
            ["standard", "instant", "Ruby standard", "Phase 1 standard"],
        ),
        (
            {"": 4},
            "phases: a phase without a name",
            ["standard", "instant", "Ruby standard", "Ruby instant", "Phase 1 standard"],
        ),
    ],
    ids=[
        *("instant", "phases list", "phases text", "phase price", "phase list", "phase instant"),
        *("no standard", "no instant", "no name"),
    ],
)
def test_one_bad_price_costs_that_price_and_not_the_row(
    fields: dict[str, Any], problem: str, kept: list[str]
) -> None:
    good = {"Ruby": {"standard": 9, "instant": 10}, "Phase 1": 8}
    own = {name: value for name, value in fields.items() if name in {"instant", "phases"}}
    whole = {"instant": 2.5, "phases": good | {k: v for k, v in fields.items() if k not in own}, **own}
    parsed = parse(row("1.5", **whole))
    quotes = to_quotes_frame(parsed.fitting, "skinshark")
    assert [
        f"{phase or ''} {delivery}".strip() for phase, delivery in quotes.select("phase", "delivery").rows()
    ] == kept
    (reject,) = parsed.rejects
    assert reject.reason.startswith(problem)
    assert (reject.raw, reparse_reject(reject.raw, "skinshark")) == (row("1.5", **whole), None)


def test_reject_names_every_price_that_cannot_be_read() -> None:
    parsed = parse(
        row('"much"', instant=-1, phases={"Ruby": "?", "Sapphire": {"standard": 1, "instant": True}})
    )
    (reject,) = parsed.rejects
    assert [problem.partition(": ")[0] for problem in reject.reason.split("; ")] == [
        *("instant", "standard", "phases.Ruby", "phases.Sapphire.instant")
    ]
    assert to_quotes_frame(parsed.fitting, "skinshark")["price"].to_list() == [Decimal(1)]


def test_unknown_fields_are_counted() -> None:
    phases = {"Ruby": {"standard": 1, "instant": None, "volume": 3}}
    parsed = parse(row("1", volume=3), row("2", volume=3), row("3"), row("4", phases=phases))
    assert (parsed.unknown_fields, parsed.rejects) == ({"volume": 2, "phases.volume": 1}, ())


@pytest.mark.parametrize(
    "data",
    [b"[]", b"{}", b'{"items":[],"total":0,"page":1}', b'{"items":{},"total":0,"page":1,"limit":1}', b"\xff"],
)
def test_content_that_is_not_a_listing_is_unexpected(data: bytes) -> None:
    with pytest.raises(UnexpectedResponse):
        decode_listing(data)


def test_missing_price_says_nothing_and_is_rejected() -> None:
    parsed = parse('{"itemId":"7","marketHashName":"AWP","instant":1.0}')
    assert [reject.reason for reject in parsed.rejects] == ["standard: missing"]
    assert [delivery for _, delivery, _ in parsed.fitting[0].quotes()] == ["instant"]


@pytest.mark.parametrize("text", ['{"itemId":7}', '{"marketHashName":"AWP"}', '{"itemId":""}', "7", "[]"])
def test_row_without_an_item_is_rejected_as_a_whole(text: str) -> None:
    fields = '"marketHashName":"AWP","instant":1,"standard":1' if "Name" not in text else '"standard":1'
    whole = f"{text[:-1]},{fields}}}" if text.startswith("{") else text
    parsed = parse(whole)
    assert (parsed.fitting, [reject.raw for reject in parsed.rejects]) == ([], [whole])


def test_items_include_every_phase_of_their_finish_for_sale_or_not() -> None:
    name = "★ Karambit | Gamma Doppler (Factory New)"
    rows = parse(row("1"), row("2", itemId="8", marketHashName=name, phases={"Emerald": 9})).fitting
    items = list_items(rows, phased=True)
    assert items.schema == ITEMS
    assert items.filter(items["item_id"] == "8")["phase"].to_list() == [
        *("Phase 1", "Phase 2", "Phase 3", "Phase 4", "Emerald"),
        None,
    ]
    assert list_items(rows, phased=False)["phase"].to_list() == [None, None]

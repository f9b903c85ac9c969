"""Render pages: Jinja2 with every value escaped, and invisible characters of foreign text shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from common.text import reveal
from dashboard.formatting import format_moment, trend
from dashboard.pages.page import Page

MENU: Final = (
    ("/", "Market"),
    ("/items", "Items"),
    ("/movers", "Movers"),
    ("/spreads", "Spreads"),
    ("/portfolio", "Portfolio"),
    ("/collection", "Collection"),
)


def _finalize(value: Any) -> Any:  # noqa: ANN401 - whatever a template prints
    """Show characters that a name may hide or turn the text around with; our own markup stays."""
    return reveal(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _format_amount(value: Decimal) -> str:
    """Return an amount as a person writes it into a field."""
    whole, _, decimals = f"{value:f}".partition(".")
    return f"{whole}.{decimals}".rstrip("0").rstrip(".") if decimals else whole


def _build_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"amount": _format_amount, "moment": format_moment, "trend": trend, "svg": Markup}
    return environment


ENVIRONMENT: Final = _build_environment()


def render_page(
    page: Page,
    *,
    root: str,
    active: str,
    currency: str,
    newest: datetime | None,
    currencies: Sequence[tuple[str, str]] = (),
    address: Callable[..., str] | None,
) -> str:
    """Return a page as HTML. `root` stands before our addresses.

    `address` gives the address of a table or a chart as a file, and is None where there is none; `active` is
    the entry of the menu; `newest` is the time of the newest look (UTC); `currencies` are those that have
    quotes, each with the address of the same page in it.
    """
    return ENVIRONMENT.get_template(page.template).render(
        page=page,
        root=root,
        active=active,
        currency=currency,
        newest=newest,
        address=address,
        menu=MENU,
        currencies=currencies,
    )

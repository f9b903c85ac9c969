"""Elements of SVG as text. Names and values are escaped; the looks come from classes, never from `style`."""

from __future__ import annotations

from html import escape


def element(name: str, *content: str, **attributes: object) -> str:
    """Return an element; `content` is SVG already.

    The attribute `class_` is `class`, `text_anchor` is `text-anchor`; one that is None is left out.
    """
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_format(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{pairs}>{''.join(content)}</{name}>" if content else f"<{name}{pairs}/>"


def text(content: str, x: float, y: float, **attributes: object) -> str:
    """Return a text at a position."""
    return element("text", escape(content), x=x, y=y, **attributes)


def figure(
    content: str, *, width: float, height: float, title: str, description: str, kind: str, **data: float
) -> str:
    """Return a whole SVG that a screen reader reads as an image: its title, then its description.

    `data` are values for scripts: `start` is the attribute `data-start`.
    """
    return element(
        "svg",
        element("title", escape(title)),
        element("desc", escape(description)),
        content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        class_=f"chart {kind}",
        role="img",
        aria_label=f"{title}. {description}",
        **{f"data_{name}": f"{value:.10g}" for name, value in data.items()},
    )


def number(value: float) -> str:
    """Return a coordinate to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def _format(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)

"""Elements of a page, escaped by construction."""

from __future__ import annotations

from xml.etree import ElementTree as ET

Child = ET.Element | str | None


def element(tag: str, *children: Child, **attributes: str | float | None) -> ET.Element:
    """Make an element.

    Args:
        tag: Name of the element.
        *children: Elements and text, in order; ``None`` is passed over.
        **attributes: An underscore stands for a hyphen, and one at the end for nothing, so that
            ``class_`` and ``stroke_width`` can be said; ``None`` leaves an attribute out.

    Returns:
        The element; text and attribute values are escaped when it is written.
    """
    made = ET.Element(tag)
    for name, value in attributes.items():
        if value is not None:
            text = value if isinstance(value, str) else f"{value:.6g}"
            made.set(name.rstrip("_").replace("_", "-"), text)
    for child in children:
        if isinstance(child, str):
            _add_text(made, child)
        elif child is not None:
            made.append(child)
    return made


def to_html(root: ET.Element) -> str:
    """Write an ``html`` element as a whole document.

    Args:
        root: The element.

    Returns:
        HTML. Half surrogate pairs, which JSON can carry and UTF-8 cannot, become question marks.
    """
    text = ET.tostring(root, encoding="unicode", method="html")
    return "<!DOCTYPE html>\n" + text.encode("utf-8", "replace").decode() + "\n"


def _add_text(parent: ET.Element, text: str) -> None:
    """Text behind a child belongs to that child in ElementTree."""
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text

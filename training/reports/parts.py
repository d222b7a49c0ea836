"""Parts that pages of every kind are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from training.reports.charts import Axes, Line, line_chart
from training.reports.markup import Child, element

_COLOURED = 3


def share(value: float | None) -> str:
    """Write a share as people read it; a dash where there is none."""
    return "–" if value is None else f"{value:.1%}"  # noqa: RUF001 (an en dash on purpose)


def interval(rate: Mapping[str, Any]) -> str:
    """Write what stands behind a share: counts and the 95 % interval."""
    if not rate["count"]:
        return "nothing to count"
    counts = f"{rate['right']:,} of {rate['count']:,}"
    return f"{counts}; 95 % interval {rate['low']:.1%} to {rate['high']:.1%}"


def cards(items: Sequence[tuple[str, str, str]]) -> ET.Element:
    """Lay out headline figures.

    Args:
        items: Name, value and detail of each.

    Returns:
        A grid of cards.
    """
    made = [
        element(
            "div",
            element("div", name, class_="name"),
            element("div", value, class_="value"),
            element("div", detail, class_="detail"),
            class_="card",
        )
        for name, value, detail in items
    ]
    return element("div", *made, class_="cards")


def notes(lines: Sequence[str]) -> list[ET.Element]:
    """List what a reader must know to read the numbers rightly; no element where there is none."""
    items = [element("li", line) for line in lines]
    return [element("ul", *items, class_="notes")] if items else []


def figure(title: str, drawn: ET.Element | None, caption: str, *, wide: bool = False) -> ET.Element:
    """Frame a chart.

    Args:
        title: Above it.
        drawn: The chart, or None where there was nothing to draw.
        caption: Below it: how to read it, or why it is empty.
        wide: Whether it may be wider than the page, and is scrolled then.

    Returns:
        A ``figure`` element.
    """
    shown = element("div", drawn, class_="scroll") if wide and drawn is not None else drawn
    return element("figure", element("h3", title), shown, element("figcaption", caption))


def pair(*children: Child) -> ET.Element:
    """Put figures beside each other where there is room."""
    return element("div", *children, class_="pair")


def legend(entries: Sequence[tuple[str, str]]) -> ET.Element:
    """Explain colours.

    Args:
        entries: Class of the style sheet and what it stands for.

    Returns:
        One line of swatches.
    """
    spans = [
        element("span", element("span", class_=f"swatch {style}"), name) for style, name in entries
    ]
    return element("div", *spans, class_="legend")


def table(head: Sequence[str], rows: Sequence[Sequence[Child]]) -> ET.Element:
    """Lay out a table that is scrolled where it is too wide.

    Args:
        head: Names of the columns.
        rows: Cells as text or elements; a ``td`` element stands as it is.

    Returns:
        The table.
    """
    body = element("tbody")
    for row in rows:
        cells = [
            cell if isinstance(cell, ET.Element) and cell.tag == "td" else element("td", cell)
            for cell in row
        ]
        body.append(element("tr", *cells))
    columns = element("thead", element("tr", *[element("th", name) for name in head]))
    return element("div", element("table", columns, body), class_="scroll")


def precision_recall(curves: Sequence[Mapping[str, Any]]) -> ET.Element:
    """Draw precision over recall of every class.

    Args:
        curves: Label, average precision, and both sequences of each class.

    Returns:
        The chart below the names of the lowest classes, which alone have a colour.
    """
    ranked = sorted(curves, key=lambda curve: float(curve["average_precision"]))
    names = [
        (f"c{index}", f"{curve['label']} (AP {curve['average_precision']:.3f})")
        for index, curve in enumerate(ranked[:_COLOURED])
    ]
    lines = [
        Line(
            f"{curve['label']}: average precision {curve['average_precision']:.3f}",
            # The curve begins where nothing is asked for yet.
            [0.0, *curve["recall"]],
            [curve["precision"][0], *curve["precision"]],
            f"c{index}" if index < _COLOURED else "faint",
        )
        for index, curve in enumerate(ranked)
    ]
    chart = line_chart("precision over recall", Axes("recall", "precision"), lines[::-1])
    return element("div", legend(names), chart)

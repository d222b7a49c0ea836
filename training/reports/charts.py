"""Charts as SVG, coloured by the page's style sheet: light, dark and on paper, without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from training.reports.markup import element

COLOURS = 10
"""Colours of the style sheet, ``c0`` and on."""

_CELL_PX = 24
_LETTER_PX = 6.2
_TICKS = 5
_SHORT_S = 10.0
_BARS_PX = 460.0
_BAR_TEXT_PX = 150.0


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        name: For the legend and on hover.
        x: Ascending or descending.
        y: As long as `x`.
        style: Class of the style sheet: ``c0`` and on, ``faint`` or ``strong``.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: str


@dataclass(frozen=True, slots=True)
class Axes:
    """What a chart's axes show.

    Attributes:
        x: Name of the horizontal axis.
        y: Name of the vertical axis.
        x_range: Least and greatest value.
        y_range: Least and greatest value.
        diagonal: Whether to draw the line of equal values.
    """

    x: str
    y: str
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    diagonal: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """One span on a lane of a timeline.

    Attributes:
        start_s: Start in seconds.
        end_s: End in seconds.
        text: Written inside where there is room.
        title: Shown on hover.
        style: Classes of the style sheet.
    """

    start_s: float
    end_s: float
    text: str
    title: str
    style: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a bar chart.

    Attributes:
        name: Beside the bar.
        value: Its length, not negative.
        text: Behind it.
        style: Class of the style sheet.
    """

    name: str
    value: float
    text: str
    style: str = "c0"


def line_chart(name: str, axes: Axes, lines: Sequence[Line]) -> ET.Element:
    """Draw curves over two axes.

    Args:
        name: Says what the chart is to who cannot see it.
        axes: What the axes show.
        lines: The curves, the most important last.

    Returns:
        An ``svg`` element.
    """
    plot = _Plot(axes)
    chart = _svg(name, plot.width, plot.height, "chart")
    chart.extend(plot.furniture())
    for line in lines:
        points = " ".join(
            f"{plot.across(x):.1f},{plot.up(y):.1f}" for x, y in zip(line.x, line.y, strict=True)
        )
        drawn = element("polyline", class_=f"line {line.style}", points=points)
        drawn.append(element("title", line.name))
        chart.append(drawn)
    return chart


def reliability_chart(
    name: str, bins: Sequence[tuple[float, float, float, float, str]]
) -> ET.Element:
    """Draw how often answers of a confidence were right, against what they claimed.

    Args:
        name: Says what the chart is to who cannot see it.
        bins: Lower and upper confidence, share that was right, share of all answers, text on hover;
            bins without answers are left out.

    Returns:
        An ``svg`` element: bars of accuracy, wide as their bin, dark as it is full.
    """
    plot = _Plot(Axes("confidence", "share that was right", diagonal=True))
    chart = _svg(name, plot.width, plot.height, "chart")
    for low, high, right, share, title in bins:
        left, top = plot.across(low), plot.up(right)
        chart.append(
            element(
                "rect",
                element("title", title),
                class_="bar c0",
                x=left + 0.5,
                y=top,
                width=plot.across(high) - left - 1,
                height=plot.up(0) - top,
                fill_opacity=0.3 + 0.7 * share**0.5,
            )
        )
    chart.extend(plot.furniture())
    return chart


def bar_chart(name: str, bars: Sequence[Bar]) -> ET.Element:
    """Draw named bars below each other.

    Args:
        name: Says what the chart is to who cannot see it.
        bars: From top to bottom.

    Returns:
        An ``svg`` element.
    """
    left = 12 + _LETTER_PX * max((len(item.name) for item in bars), default=0)
    room = _BARS_PX - left - _BAR_TEXT_PX
    longest = max((item.value for item in bars), default=0.0) or 1.0
    chart = _svg(name, _BARS_PX, 26.0 * len(bars) + 4, "chart bars")
    for row, item in enumerate(bars):
        top, length = 26.0 * row + 4, max(room * item.value / longest, 1.0)
        style = f"bar {item.style}"
        chart.extend(
            (
                element("text", item.name, x=left - 8, y=top + 14, text_anchor="end"),
                element("rect", class_=style, x=left, y=top, width=length, height=20),
                element("text", item.text, class_="dim", x=left + length + 6, y=top + 14),
            )
        )
    return chart


def matrix_chart(
    name: str, rows: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]]
) -> ET.Element:
    """Draw a confusion matrix, each row coloured by its shares, with the counts on hover.

    Args:
        name: Says what the chart is to who cannot see it.
        rows: The true classes.
        columns: The answers.
        counts: One row per true class.

    Returns:
        An ``svg`` element of fixed size, to be put where it can be scrolled.
    """
    left = 10 + _LETTER_PX * max((len(label) for label in rows), default=0)
    top = 10 + _LETTER_PX * max((len(label) for label in columns), default=0)
    width, height = left + _CELL_PX * len(columns) + 4, top + _CELL_PX * len(rows) + 4
    chart = _svg(name, width, height, "matrix")
    chart.set("style", f"width:{width:.0f}px")
    for column, label in enumerate(columns):
        place = f"translate({left + _CELL_PX * (column + 0.5) + 4:.1f} {top - 6:.1f}) rotate(-90)"
        chart.append(element("text", label, transform=place))
    for row, label in enumerate(rows):
        y = top + _CELL_PX * row
        chart.append(element("text", label, x=left - 6, y=y + 16, text_anchor="end"))
        chart.extend(_matrix_row(label, columns, counts[row], (left, y)))
    return chart


def timeline_chart(
    name: str, lanes: Sequence[tuple[str, Sequence[Block]]], span_s: tuple[float, float]
) -> ET.Element:
    """Draw lanes of labelled spans over one time axis.

    Args:
        name: Says what the chart is to who cannot see it.
        lanes: Name and spans of each lane, from top to bottom.
        span_s: Start and end of the axis in seconds.

    Returns:
        An ``svg`` element of fixed width, to be put where it can be scrolled.
    """
    start_s, end_s = span_s
    left, room = 60.0, 830.0
    scale = room / max(end_s - start_s, 1e-9)
    chart = _svg(name, left + room + 10, 30.0 * len(lanes) + 26, "timeline")
    for row, (lane, blocks) in enumerate(lanes):
        top = 30.0 * row + 2
        chart.append(element("text", lane, x=left - 8, y=top + 17, text_anchor="end"))
        chart.append(element("rect", class_="lane", x=left, y=top, width=room, height=26))
        for block in blocks:
            width = max((block.end_s - block.start_s) * scale, 1.5)
            chart.append(_block(block, (left + (block.start_s - start_s) * scale, top), width))
    chart.extend(_seconds(span_s, (left, room), 30.0 * len(lanes) + 16))
    return chart


def _seconds(span_s: tuple[float, float], place: tuple[float, float], y: float) -> list[ET.Element]:
    """Numbers of a timeline's axis."""
    (start_s, end_s), (left, room) = span_s, place
    numbers, digits = [], 2 if end_s - start_s < _SHORT_S else 1
    for tick in range(_TICKS + 1):
        anchor = "end" if tick == _TICKS else "middle" if tick else "start"
        second = f"{start_s + (end_s - start_s) * tick / _TICKS:.{digits}f} s"
        x = left + room * tick / _TICKS
        numbers.append(element("text", second, class_="dim", x=x, y=y, text_anchor=anchor))
    return numbers


@dataclass(frozen=True, slots=True)
class _Plot:
    """Places of a chart's values in its picture."""

    axes: Axes
    width: float = 380.0
    height: float = 270.0
    left: float = 48.0
    bottom: float = 40.0
    edge: float = 10.0

    def across(self, value: float) -> float:
        """Pixels from the left."""
        low, high = self.axes.x_range
        return self.left + (value - low) / (high - low) * (self.width - self.left - self.edge)

    def up(self, value: float) -> float:
        """Pixels from the top."""
        low, high = self.axes.y_range
        room = self.height - self.bottom - self.edge
        return self.height - self.bottom - (value - low) / (high - low) * room

    def furniture(self) -> list[ET.Element]:
        """Grid, numbers and names of the axes."""
        (x0, x1), (y0, y1) = self.axes.x_range, self.axes.y_range
        parts = []
        for tick in range(_TICKS + 1):
            x, y = x0 + (x1 - x0) * tick / _TICKS, y0 + (y1 - y0) * tick / _TICKS
            at_x, at_y = self.across(x), self.up(y)
            parts += [
                element(
                    "path", class_="grid", d=f"M{self.left:.1f} {at_y:.1f}H{self.across(x1):.1f}"
                ),
                element("path", class_="grid", d=f"M{at_x:.1f} {self.up(y0):.1f}V{self.edge:.1f}"),
                element(
                    "text",
                    f"{x:.3g}",
                    class_="dim",
                    x=at_x,
                    y=self.up(y0) + 15,
                    text_anchor="middle",
                ),
                element(
                    "text",
                    f"{y:.3g}",
                    class_="dim",
                    x=self.left - 6,
                    y=at_y + 4,
                    text_anchor="end",
                ),
            ]
        if self.axes.diagonal:
            path = (
                f"M{self.across(x0):.1f} {self.up(y0):.1f}L{self.across(x1):.1f} {self.up(y1):.1f}"
            )
            parts.append(element("path", class_="diagonal", d=path))
        middle_x, middle_y = (
            (self.across(x0) + self.across(x1)) / 2,
            (self.up(y0) + self.up(y1)) / 2,
        )
        turned = f"translate(12 {middle_y:.1f}) rotate(-90)"
        parts += [
            element("text", self.axes.x, x=middle_x, y=self.height - 6, text_anchor="middle"),
            element("text", self.axes.y, transform=turned, text_anchor="middle"),
        ]
        return parts


def _svg(name: str, width: float, height: float, style: str) -> ET.Element:
    return element(
        "svg",
        class_=style,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        aria_label=name,
    )


def _matrix_row(
    label: str, columns: Sequence[str], counts: Sequence[int], corner: tuple[float, float]
) -> list[ET.Element]:
    total, cells = sum(counts), []
    for column, count in enumerate(counts):
        title = f"{label} taken for {columns[column]}: {count} of {total}"
        style = "right" if label == columns[column] else "wrong"
        place = (corner[0] + _CELL_PX * column, corner[1])
        cells += _cell(place, count, count / total if total else 0.0, (style, title))
    return cells


def _cell(
    place: tuple[float, float], count: int, share: float, look: tuple[str, str]
) -> list[ET.Element]:
    """One cell: its colour by share, its count, its style and its title on hover."""
    (x, y), (style, title) = place, look
    cell = element(
        "rect",
        element("title", title),
        class_=f"cell {style}",
        x=x,
        y=y,
        width=_CELL_PX - 1,
        height=_CELL_PX - 1,
    )
    if not count:
        cell.set("class", "cell none")
        return [cell]
    cell.set("fill-opacity", f"{0.15 + 0.85 * share:.2f}")
    written = f"{count}" if count < 1000 else f"{count / 1000:.0f}k"
    number = element(
        "text",
        written,
        class_="count strong" if share > 0.55 else "count",
        x=x + _CELL_PX / 2,
        y=y + 16,
        text_anchor="middle",
    )
    return [cell, number]


def _block(block: Block, place: tuple[float, float], width: float) -> ET.Element:
    x, top = place
    drawn = element(
        "g",
        element("title", block.title),
        element("rect", class_=f"block {block.style}", x=x, y=top + 2, width=width, height=22),
    )
    if width > _LETTER_PX * len(block.text) + 6:
        drawn.append(
            element(
                "text",
                block.text,
                class_="inside",
                x=x + width / 2,
                y=top + 17,
                text_anchor="middle",
            )
        )
    return drawn

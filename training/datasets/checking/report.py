"""The page a person looks at: what was found, with pictures of the worst, in one HTML file."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from contracts.errors import ConfigError
from training.datasets.checking.balance import ClassCount, parts_of
from training.datasets.checking.check import Check
from training.datasets.checking.findings import Case, Finding, Severity, count
from training.reports.markup import element, to_html
from training.reports.parts import cards

# Bounds that keep the file at one or two megabytes however large the dataset is.
_MAX_PREVIEWS: Final = 120
_MAX_CASES_SHOWN: Final = 8
_MAX_PREVIEWS_OF_CASE: Final = 4
_MAX_ROWS: Final = 200
_MAX_NAMES: Final = 12

_SHEET: Final = Path(__file__).parents[2] / "reports" / "page.css"
_ADDED: Final = Path(__file__).with_name("report.css")
_COLOURS: Final = {"train": "c0", "validation": "c1", "test": "c2"}
_HEADINGS: Final = {
    Severity.ERROR: ("error", "Errors", "figures measured on this data would be wrong"),
    Severity.WARNING: ("warning", "Warnings", "figures or training may suffer"),
    Severity.NOTE: ("note", "Notes", "worth knowing"),
}


def write_report(check: Check, path: Path) -> None:
    """Write the page.

    One file without script or reference to another one, light or dark as the reader's system is.
    At most 120 pictures are in it; tables are cut after 200 rows. Names are escaped.

    Args:
        check: What was found.
        path: The HTML file; its folder is made.

    Raises:
        ConfigError: It cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(_render(check), encoding="utf-8")
        part.replace(path)
    except OSError as exc:
        raise ConfigError(f"Cannot write {path}: {exc.strerror}.") from exc


def _render(check: Check) -> str:
    title = f"Data check: {check.dataset.name}"
    pictures = _Pictures({i.video.name: i.measures.preview for i in check.items if i.measures})
    main = element("main", element("h1", title), _overview(check))
    if not check.findings:
        main.append(element("p", "Nothing was found."))
    for severity, (_, heading, meaning) in _HEADINGS.items():
        found = [finding for finding in check.findings if finding.severity is severity]
        if found:
            main.append(element("h2", heading))
            main.append(element("p", f"{meaning[:1].upper()}{meaning[1:]}.", class_="dim"))
            main.extend(_finding(finding, pictures) for finding in found)
    main.append(element("h2", "Classes"))
    main.extend(_classes(check))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", *(sheet.read_text(encoding="utf-8") for sheet in (_SHEET, _ADDED))),
    )
    return to_html(element("html", head, element("body", main), lang="en"))


@dataclass(slots=True)
class _Pictures:
    """Previews by video, handed out until there are enough."""

    previews: Mapping[str, bytes]
    _left: int = field(default=_MAX_PREVIEWS)

    def of(self, name: str) -> ET.Element | None:
        """Return the picture of a video, or None."""
        jpeg = self.previews.get(name, b"")
        if not jpeg or self._left <= 0:
            return None
        self._left -= 1
        data = base64.b64encode(jpeg).decode("ascii")
        return element("img", src=f"data:image/jpeg;base64,{data}", alt=name, title=name)


def _overview(check: Check) -> ET.Element:
    videos = check.dataset.videos
    at_hand = sum(item.measures is not None for item in check.items)
    seconds = sum(
        item.measures.info.duration_s or 0.0
        for item in check.items
        if item.measures and item.measures.info
    )
    return cards(
        [
            ("Videos", f"{len(videos):,}", f"{at_hand:,} looked into, {seconds / 60:,.1f} minutes"),
            ("Groups", f"{len({video.group for video in videos}):,}", ", ".join(parts_of(videos))),
            ("Classes", f"{len(check.classes):,}", f"{_segments(check):,} annotations"),
            *(
                (heading, str(check.number(severity)), meaning)
                for severity, (_, heading, meaning) in _HEADINGS.items()
            ),
        ]
    )


def _segments(check: Check) -> int:
    return sum(item.segments for item in check.classes)


def _finding(finding: Finding, pictures: _Pictures) -> ET.Element:
    name, _, _ = _HEADINGS[finding.severity]
    box = element(
        "section",
        element("span", f"{name} · {finding.kind}", class_="badge"),
        element("h3", finding.summary),
        element("p", finding.advice),
        class_=f"finding {name}",
        id=finding.kind,
    )
    shots = element("div", *_shots(finding, pictures), class_="shots")
    if len(shots):
        box.append(shots)
    box.append(_table(finding))
    return box


def _shots(finding: Finding, pictures: _Pictures) -> Iterator[ET.Element]:
    for case in finding.cases[:_MAX_CASES_SHOWN]:
        found = [pictures.of(name) for name in case.videos[:_MAX_PREVIEWS_OF_CASE]]
        if shown := [picture for picture in found if picture is not None]:
            text = f"{_names(case, _MAX_PREVIEWS_OF_CASE)}: {case.detail}"
            row = element("div", *shown, class_="row")
            yield element("div", row, element("p", text), class_="shot")


def _names(case: Case, most: int) -> str:
    more = len(case.videos) - most
    return ", ".join(case.videos[:most]) + (f" and {more} more" if more > 0 else "")


def _table(finding: Finding) -> ET.Element:
    body = element("table")
    with_videos = any(case.videos for case in finding.cases)
    body.append(element("tr", element("th", "Videos" if with_videos else "What"), element("th")))
    for case in finding.cases[:_MAX_ROWS]:
        figures = "" if with_videos else ", ".join(f"{v:g} {k}" for k, v in case.numbers.items())
        cells = (_names(case, _MAX_NAMES), case.detail) if with_videos else (case.detail, figures)
        body.append(element("tr", *(element("td", cell, class_="text") for cell in cells)))
    left = len(finding.cases) - _MAX_ROWS
    return element(
        "details",
        element("summary", f"All {len(finding.cases)}" if left <= 0 else f"The first {_MAX_ROWS}"),
        element("div", body, class_="scroll"),
        element("p", f"{left} more are in the JSON.", class_="dim") if left > 0 else None,
    )


def _classes(check: Check) -> Iterator[ET.Element]:
    parts = parts_of(check.dataset.videos)
    legend = element("div", class_="legend")
    for part in parts:
        swatch = element("span", class_=f"swatch {_COLOURS.get(part, 'c8')}")
        legend.append(element("span", swatch, part))
    yield legend
    most = max((item.total for item in check.classes), default=0) or 1
    rows = [element("tr", *(element("th", text) for text in ("Class", "Videos", *parts)))]
    for text in ("Annotations", "Minutes"):
        rows[0].append(element("th", text))
    rows += [_class_row(item, parts, most) for item in check.classes[:_MAX_ROWS]]
    yield element("div", element("table", *rows), class_="scroll")
    if (left := len(check.classes) - _MAX_ROWS) > 0:
        yield element("p", f"{count(left, 'class')} more: see the JSON.", class_="dim")


def _class_row(item: ClassCount, parts: tuple[str, ...], most: int) -> ET.Element:
    stack = element("div", class_="stack", style=f"width: {100 * item.total / most:.1f}%")
    for part in parts:
        if number := item.videos.get(part, 0):
            share = f"width: {100 * number / item.total:.1f}%"
            title = f"{number} in {part}"
            stack.append(element("div", class_=_COLOURS.get(part, "c8"), style=share, title=title))
    numbers = (*(str(item.videos.get(part, 0)) for part in parts), str(item.segments))
    return element(
        "tr",
        element("td", item.label, class_="text"),
        element("td", stack, class_="wide"),
        *(element("td", number) for number in (*numbers, f"{item.seconds / 60:.1f}")),
    )

"""The page of a report: one HTML file that needs nothing else, drawn from the document alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from training.reports.classification_page import draw_classification
from training.reports.detection_page import draw_detection
from training.reports.markup import element, to_html
from training.reports.parts import interval, share, table

_STYLE = Path(__file__).with_name("page.css")
_DRAW: Mapping[str, Callable[[Mapping[str, Any]], list[ET.Element]]] = {
    "classification": draw_classification,
    "detection": draw_detection,
}


def render_page(document: Mapping[str, Any]) -> str:
    """Draw a document.

    Args:
        document: As `training.reports.document.make_document` gives it.

    Returns:
        HTML without any script or reference to another file, light or dark as the reader's system
        is, and fit for print.
    """
    sections = document["sections"]
    main = element("main", element("h1", document["title"]), _facts(document), _contents(sections))
    for number, section in enumerate(sections):
        heading = element("h2", section["title"], id=f"s{number}")
        main.append(element("section", heading, *_DRAW[section["kind"]](section)))
    foot = f"Written by actionstream {document['code']}. Every number is in report.json beside it."
    main.append(element("p", foot, class_="dim small"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", document["title"]),
        element("style", _STYLE.read_text(encoding="utf-8")),
    )
    return to_html(element("html", head, element("body", main), lang="en"))


def _facts(document: Mapping[str, Any]) -> ET.Element:
    facts = element("dl", class_="facts")
    for name, value in (
        ("Judged", document["subject"]),
        ("Data", document["data"]),
        ("Date", document["date"].replace("T", " ").replace("Z", " UTC")),
    ):
        facts.extend([element("dt", name), element("dd", value)])
    facts.append(element("dt", "Command"))
    facts.append(element("dd", element("code", document["command"])))
    return facts


def _contents(sections: list[Mapping[str, Any]]) -> ET.Element | None:
    """One line for each section with its first figure."""
    if len(sections) < 2:
        return None
    rows = []
    for number, section in enumerate(sections):
        link = element("a", section["title"], href=f"#s{number}")
        rows.append((link, *_FIRST[section["kind"]](section)))
    return table(("section", "first figure", ""), rows)


def _first_of_classes(section: Mapping[str, Any]) -> tuple[str, str]:
    if not section["count"]:
        return "", f"no {section['unit']}"
    return share(section["accuracy"]["value"]), interval(section["accuracy"])


def _first_of_spans(section: Mapping[str, Any]) -> tuple[str, str]:
    if not section["truths"]:
        return "", "no truth"
    entry = section["map"][section["rules"]]
    return share(entry["average"]), f"mAP, {entry['title']}"


_FIRST: Mapping[str, Callable[[Mapping[str, Any]], tuple[str, str]]] = {
    "classification": _first_of_classes,
    "detection": _first_of_spans,
}

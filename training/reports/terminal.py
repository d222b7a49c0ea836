"""A report's document on the terminal, in 80 columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.metrics.confusion import Confusion
from training.reports.parts import share

_CONFUSED = 5

Section = Mapping[str, Any]


def print_document(document: Mapping[str, Any], console: Console) -> None:
    """Show the figures of a report.

    Args:
        document: From `training.reports.document.make_document`.
        console: Where to.
    """
    console.print(f"[bold]{escape(document['title'])}[/bold]", highlight=False)
    classified = [s for s in document["sections"] if s["kind"] == "classification" and s["count"]]
    if classified:
        console.print(_summary(classified))
    for section in document["sections"]:
        if section["kind"] == "detection":
            _print_detection(section, console)
        elif section["count"]:
            _print_confusion(section, console)
        else:
            console.print(f"{escape(section['title'])}: nothing to judge", highlight=False)
        for note in section["notes"]:
            console.print(f"[yellow]![/yellow] {escape(note)}", highlight=False)


def _summary(sections: list[Section]) -> Table:
    """One row per section of classification."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("data", overflow="fold")
    for name in ("count", "right", "95 % interval", "top-k", "macro F1", "ECE"):
        table.add_column(name, justify="right", no_wrap=True)
    for section in sections:
        right, top = section["accuracy"], section["top_k"]
        table.add_row(
            escape(section["title"]),
            f"{section['count']}",
            share(right["value"]),
            f"{right['low']:.1%} to {right['high']:.1%}",
            f"{top['k']}: {top['value']:.1%}" if top else "",
            share(section["macro_f1"]),
            f"{section['ece']:.3f}",
        )
    return table


def _print_confusion(section: Section, console: Console) -> None:
    counts = np.asarray(section["confusion"], np.int64)
    used = np.flatnonzero(counts.any(axis=0) | counts.any(axis=1))
    labels = tuple(escape(section["labels"][index]) for index in used)
    # Two characters between columns: the names of the rows, their share, a column for each class.
    width = max(map(len, labels)) + 11 + sum(len(label) + 2 for label in labels)
    if width <= console.width:
        confusion = Confusion(labels, counts[np.ix_(used, used)])
        console.print(confusion.to_table(escape(section["title"])))
        return
    lines = [
        f"  {pair['truth']} taken for {pair['answer']}: {pair['count']} of {pair['of']}"
        for pair in section["confused"][:_CONFUSED]
    ]
    if lines:
        console.print(f"{escape(section['title'])}, most confused:", highlight=False)
        console.print(escape("\n".join(lines)), highlight=False)


def _print_detection(section: Section, console: Console) -> None:
    table = Table(
        title=escape(section["title"]), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("of", overflow="fold")
    found = f"{section['truths']:,} truths, {section['detections']:,} detections"
    table.add_row("videos", f"{section['videos']:,}", found)
    for row in _detection_rows(section) if section["truths"] else ():
        table.add_row(*row)
    console.print(table)
    for pair in section.get("confused", ())[:_CONFUSED]:
        line = f"  {pair['truth']} taken for {pair['answer']}: {pair['count']} times"
        console.print(escape(line), highlight=False)


def _detection_rows(section: Section) -> list[tuple[str, str, str]]:
    rows = []
    for entry in section["map"].values():
        points = zip(entry["tious"], entry["map"], strict=True)
        each = " ".join(f"{tiou:g}: {value:.3f}" for tiou, value in points)
        name, _, thresholds = entry["title"].partition(", ")
        rows.append((f"mAP {name}", f"{entry['average']:.3f}", f"{thresholds}: {each}"))
    point = section["operating_point"]
    at = "" if point["threshold"] is None else f", score from {point['threshold']:.3f}"
    for name, rate in (("found", point["recall"]), ("right", point["precision"])):
        detail = f"{rate['right']} of {rate['count']} at tIoU 0.5{at}"
        rows.append((name, share(rate["value"]), detail))
    if point["false_per_hour"] is not None and not section["live"]:
        rows.append(("wrong an hour", f"{point['false_per_hour']:.1f}", f"{point['false']} in all"))
    errors = section["errors"]
    kinds = ", ".join(f"{name} {count}" for name, count in errors["outcomes"].items() if count)
    rows.append(("missed", f"{errors['missed']}", f"the others: {kinds}" if kinds else ""))
    return rows + _live_rows(section)


def _live_rows(section: Section) -> list[tuple[str, str, str]]:
    """Figures of live events, frames and sequences, where they were measured."""
    rows = []
    if latency := section.get("latency"):
        middle, late = latency["start_latency_s"]["median"], latency["start_latency_s"]["p95"]
        if middle is not None:
            rows.append(("start latency", f"{middle:.2f} s", f"median; 95 % within {late:.2f} s"))
        detail = f"{latency['false']} of {latency['events']} events overlap no such action"
        rows.append(("false an hour", f"{latency['false_per_hour']:.1f}", detail))
    if frames := section.get("frames"):
        detail = f"calibrated {frames['calibrated_map']:.3f}"
        rows.append(("per-frame mAP", f"{frames['map']:.3f}", detail))
    if sequences := section.get("segmental"):
        f1 = ", ".join(f"F1@{k} {value:.3f}" for k, value in sequences["f1"].items())
        rows.append(("edit score", f"{sequences['edit']:.3f}", f1))
    return rows

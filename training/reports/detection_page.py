"""A detection section of the document as a part of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from training.reports.charts import (
    COLOURS,
    Axes,
    Bar,
    Block,
    Line,
    bar_chart,
    line_chart,
    timeline_chart,
)
from training.reports.markup import element
from training.reports.parts import (
    cards,
    figure,
    interval,
    legend,
    notes,
    pair,
    precision_recall,
    share,
    table,
)

_LONG_S = 90.0
_LEGEND = 30
_LOW_AP = 0.25
_KINDS = {
    "true positive": "right",
    "double detection": "found twice",
    "wrong label": "wrong label",
    "localisation": "badly localised",
    "confusion": "wrong label and badly localised",
    "background": "nothing there",
}

Section = Mapping[str, Any]


def draw_detection(section: Section) -> list[ET.Element]:
    """Draw a section.

    Args:
        section: As `training.reports.detection.make_section` gives it.

    Returns:
        Elements, in order.
    """
    parts = notes(section["notes"])
    parts.append(element("p", _counts(section), class_="dim"))
    if not section["truths"]:
        return parts
    return [
        *parts,
        _headline(section),
        *_live(section),
        pair(_overlap(section), _errors(section)),
        pair(_curves(section), _confused(section)),
        *_timelines(section),
        element("h3", "Per class, the worst first"),
        _per_class(section),
    ]


def _counts(section: Section) -> str:
    seconds = section["seconds"]
    length = "" if seconds is None else f" of {duration(seconds)} together"
    ignored = f", {section['ignored']:,} ambiguous spans" if section["ignored"] else ""
    found = "live events" if section["live"] else "detections"
    return (
        f"{section['videos']:,} videos{length}, {section['truths']:,} true actions{ignored}, "
        f"{section['detections']:,} {found}."
    )


def duration(seconds: float) -> str:
    """Write a length of time as people say it."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _headline(section: Section) -> ET.Element:
    maps, point = section["map"], section["operating_point"]
    first = section["rules"] if section["rules"] in maps else "activitynet"
    items = []
    for name in (first, *(name for name in maps if name != first)):
        entry = maps[name]
        half = entry["map"][entry["tious"].index(0.5)]
        items.append((f"mAP, {entry['title']}", share(entry["average"]), f"at 0.5: {half:.1%}"))
    at = "" if point["threshold"] is None else f" (score ≥ {point['threshold']:.3f})"
    recall, precision = point["recall"], point["precision"]
    items.append((f"actions found at tIoU 0.5{at}", share(recall["value"]), interval(recall)))
    items.append(
        (f"detections right at tIoU 0.5{at}", share(precision["value"]), interval(precision))
    )
    if point["false_per_hour"] is not None and not section["live"]:
        detail = f"{point['false']:,} in {duration(section['seconds'])}{at}"
        items.append(("wrong detections an hour", f"{point['false_per_hour']:.1f}", detail))
    return cards(items)


def _live(section: Section) -> list[ET.Element]:
    """Figures of live events, frames and sequences, where they were measured."""
    items = []
    if latency := section.get("latency"):
        middle = latency["start_latency_s"]["median"]
        told = latency["truths"] - latency["missed"]
        shown = "none" if middle is None else f"{middle:.2f} s"
        items.append(("median start latency", shown, f"{told} of {latency['truths']} announced"))
        events = f"{latency['false']} of {latency['events']} events overlap no such action"
        items.append(("false events an hour", f"{latency['false_per_hour']:.1f}", events))
    if frames := section.get("frames"):
        detail = f"{frames['moments']:,} moments every {frames['period_s']:.2f} s"
        items.append(("per-frame mAP", share(frames["map"]), detail))
        items.append(("calibrated per-frame mAP", share(frames["calibrated_map"]), detail))
    if sequences := section.get("segmental"):
        f1 = sequences["f1"]
        detail = f"F1@10 {share(f1['10'])}, F1@25 {share(f1['25'])}"
        items.append(("segmental F1@50", share(f1["50"]), detail))
        items.append(("edit score", share(sequences["edit"]), "order of the actions"))
    return [cards(items)] if items else []


def _overlap(section: Section) -> ET.Element:
    points = sorted(
        {
            (tiou, value)
            for entry in section["map"].values()
            for tiou, value in zip(entry["tious"], entry["map"], strict=True)
        }
    )
    line = Line("mAP", [tiou for tiou, _ in points], [value for _, value in points], "c0")
    axes = Axes("temporal overlap (tIoU) asked for", "mAP", x_range=(0.0, 1.0))
    chart = line_chart("mAP over overlap", axes, [line])
    caption = "The steeper the fall, the worse starts and ends are placed."
    return figure("Precision by overlap", chart, caption)


def _errors(section: Section) -> ET.Element:
    errors = section["errors"]
    total = sum(errors["outcomes"].values())
    bars = []
    for name, count in errors["outcomes"].items():
        gain = errors["map_gain"].get(name)
        costs = "" if not gain else f", costs {gain:.1%}"
        text = f"{count:,} ({count / total:.0%}){costs}" if total else "0"
        bars.append(Bar(_KINDS[name], count, text, "good" if name == "true positive" else "bad"))
    bars.append(
        Bar("missed", errors["missed"], f"{errors['missed']:,} of {errors['truths']:,}", "c8")
    )
    caption = (
        "The best detections of each class (ten times as many as truths) at tIoU 0.5, after DETAD; "
        "costs: what mAP would gain without that kind of error."
    )
    return figure("Where errors come from", bar_chart("error breakdown", bars), caption, wide=True)


def _curves(section: Section) -> ET.Element:
    caption = "One curve a class at tIoU 0.5; the three lowest in colour."
    return figure("Precision and recall", precision_recall(section["curves"]), caption)


def _confused(section: Section) -> ET.Element:
    items = [
        element(
            "li",
            element("b", row["truth"]),
            " was taken for ",
            element("b", row["answer"]),
            f", {row['count']:,} time{'' if row['count'] == 1 else 's'}",
        )
        for row in section["confused"]
    ]
    drawn = element("ol", *items, class_="words") if items else None
    caption = (
        "Detections that lie on an action of another label."
        if items
        else "No detection lies on an action of another label."
    )
    return figure("What is taken for what", drawn, caption)


def _timelines(section: Section) -> list[ET.Element]:
    labels = [row["label"] for row in section["per_class"]]
    colours = {label: f"c{index % COLOURS}" for index, label in enumerate(labels)}
    drawn = [
        element("h3", "Timelines"),
        element(
            "p",
            "Truth above, detections below, of the videos with the most mistakes. Dashed red: "
            "missed above, false below.",
            class_="dim small",
        ),
    ]
    if len(labels) <= _LEGEND:
        drawn.append(legend([(colours[label], label) for label in labels]))
    for line in section["timelines"]:
        length = duration(line["duration_s"])
        caption = f"{line['video']}: {line['mistakes']} mistakes in {length}"
        drawn.append(
            element(
                "figure",
                element("div", *_rows(line, colours), class_="scroll"),
                element("figcaption", caption),
            )
        )
    return drawn


def _rows(line: Mapping[str, Any], colours: Mapping[str, str]) -> list[ET.Element]:
    """Cut a long video into rows, so that its spans stay readable."""
    total = max(line["duration_s"], 1e-3)
    count = min(4, max(1, -(-int(total) // int(_LONG_S))))
    charts = []
    for row in range(count):
        span = (total * row / count, total * (row + 1) / count)
        ignored = _lane(line["ignored"], span, {}, "ignored")
        truth = [*ignored, *_lane(line["truth"], span, colours, "missed")]
        found = _lane(line["found"], span, colours, "false")
        lanes = (("truth", truth), ("found", found))
        charts.append(timeline_chart(f"timeline of {line['video']}", lanes, span))
    return charts


def _lane(
    blocks: Sequence[Mapping[str, Any]],
    span: tuple[float, float],
    colours: Mapping[str, str],
    wrong: str,
) -> list[Block]:
    lane = []
    for block in blocks:
        start, end = max(block["start_s"], span[0]), min(block["end_s"], span[1])
        if end < start:
            continue
        fine = block.get("found", block.get("right", False))
        style = colours.get(block["label"], "c8") + ("" if fine else f" {wrong}")
        verdict = "" if fine else f", {wrong}"
        title = (
            f"{block['label']}, {block['start_s']:.2f} to {block['end_s']:.2f} s, "
            f"score {block['score']:.2f}{verdict}"
        )
        lane.append(Block(start, end, block["label"], title, style))
    return lane


def _per_class(section: Section) -> ET.Element:
    rows = []
    for row in sorted(section["per_class"], key=lambda row: (row["ap_at_half"], row["label"])):
        low = row["ap_at_half"] < _LOW_AP
        recall = row["recall"]
        span = element("span", f" {recall['low']:.0%} to {recall['high']:.0%}", class_="range")
        rows.append(
            (
                row["label"],
                f"{row['truths']:,}",
                element("td", f"{row['ap_at_half']:.3f}", class_="low" if low else None),
                f"{row['ap_thumos']:.3f}",
                f"{row['ap_activitynet']:.3f}",
                element("td", share(recall["value"]), span),
                share(row["precision"]["value"]),
            )
        )
    head = (
        "class",
        "truths",
        "AP at 0.5",
        "AP 0.3–0.7",  # noqa: RUF001 (a range)
        "AP 0.5–0.95",  # noqa: RUF001
        "found (95 % interval)",
        "precision",
    )
    return table(head, rows)

"""A classification section of the document as a part of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from training.reports.charts import Axes, Line, line_chart, matrix_chart, reliability_chart
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

_MATRIX_CLASSES = 40
_LOW_RECALL = 0.5
_UNCERTAINTY = {
    "clips": "Intervals take clips as independent; clips of one person or place are not, and the "
    "truth is less certain than they say.",
    "windows": "Only windows that lie inside one action are judged. Intervals take them as "
    "independent; windows of one video are not, and the truth is less certain than they say.",
}

Section = Mapping[str, Any]


def draw_classification(section: Section) -> list[ET.Element]:
    """Draw a section.

    Args:
        section: As `training.reports.classification.make_section` gives it.

    Returns:
        Elements, in order.
    """
    parts = notes(section["notes"])
    if not section["count"]:
        return [*parts, element("p", f"No {section['unit']} to judge.", class_="dim")]
    return [
        *parts,
        _headline(section),
        element("p", _UNCERTAINTY[section["unit"]], class_="dim small"),
        pair(_matrix(section), element("div", _confused(section), _most_wrong(section))),
        pair(_reliability(section), _curves(section)),
        *_worst(section),
        element("h3", "Per class, the worst first"),
        _per_class(section),
    ]


def _headline(section: Section) -> ET.Element:
    accuracy, unit = section["accuracy"], section["unit"]
    items = [(f"{unit} with the right top label", share(accuracy["value"]), interval(accuracy))]
    if (top := section["top_k"]) is not None:
        items.append((f"right label among the top {top['k']}", share(top["value"]), interval(top)))
    classes = sum(1 for row in section["per_class"] if row["f1"] is not None)
    absent = sum(1 for row in section["per_class"] if row["answered"] and not row["count"])
    detail = f"mean over {classes} classes"
    if absent:
        detail += f"; {absent} of them never occurs and counts 0"
    items.append(("macro F1", share(section["macro_f1"]), detail))
    error = f"{section['ece']:.3f}"
    claimed = f"mean confidence {section['confidence']:.1%}; 0 is perfect"
    items.append(("expected calibration error", error, claimed))
    return cards(items)


def _matrix(section: Section) -> ET.Element:
    labels, counts = section["labels"], section["confusion"]
    rows, columns = _shown(counts)
    hidden = sum(1 for row in counts if any(row)) - len(rows)
    left_out = (
        f" Of {len(rows) + hidden} classes the {len(rows)} with the most errors are drawn; "
        "report.json has all."
        if hidden
        else ""
    )
    drawn = matrix_chart(
        "confusion matrix",
        [labels[row] for row in rows],
        [labels[column] for column in columns],
        [[counts[row][column] for column in columns] for row in rows],
    )
    caption = (
        "Rows are the truth, columns the answer; colour is the share of the row, blue where right."
        " Numbers are counts." + left_out
    )
    return figure("Confusion matrix", drawn, caption, wide=True)


def _shown(counts: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """Choose rows that occur and columns that occur or are answered, at most so many of each."""

    def errors(index: int) -> int:
        row = counts[index]
        return sum(row) + sum(other[index] for other in counts) - 2 * row[index]

    occurring = [index for index, row in enumerate(counts) if any(row)]
    answered = [i for i in range(len(counts)) if any(counts[i]) or any(r[i] for r in counts)]
    if len(answered) <= _MATRIX_CLASSES:
        return occurring, answered
    chosen = set(sorted(answered, key=errors, reverse=True)[:_MATRIX_CLASSES])
    return [i for i in occurring if i in chosen], [i for i in answered if i in chosen]


def _confused(section: Section) -> ET.Element:
    unit = section["unit"]
    lines = [
        element(
            "li",
            element("b", pair_["truth"]),
            " was taken for ",
            element("b", pair_["answer"]),
            f" in {pair_['count']:,} of {pair_['of']:,} {unit} "
            f"({pair_['count'] / pair_['of']:.0%})",
        )
        for pair_ in section["confused"]
    ]
    drawn = element("ol", *lines, class_="words") if lines else None
    caption = "The most frequent confusions." if lines else f"None: all {unit} were right."
    return figure("What is taken for what", drawn, caption)


def _reliability(section: Section) -> ET.Element:
    bins = [
        (
            entry["low"],
            entry["high"],
            entry["accuracy"],
            entry["count"] / section["count"],
            f"confidence {entry['low']:.2f} to {entry['high']:.2f}: {entry['count']} answers, "
            f"{entry['accuracy']:.1%} right, {entry['confidence']:.1%} claimed",
        )
        for entry in section["reliability"]
        if entry["count"]
    ]
    caption = (
        "Answers by confidence: on the dashed line a score is the chance of being right; bars below"
        " it claim too much. The darker a bar, the more answers it holds."
    )
    return figure("Reliability", reliability_chart("reliability diagram", bins), caption)


def _curves(section: Section) -> ET.Element:
    caption = "One curve a class, each against all others; the three lowest in colour."
    return figure("Precision and recall", precision_recall(section["curves"]), caption)


def _most_wrong(section: Section) -> ET.Element:
    items = section["worst"]
    rows = [
        (row["item"], row["truth"], row["answer"], f"{row['truth_score']:.2f}") for row in items
    ]
    drawn = table(("video", "truth", "answer", "score of the truth"), rows) if rows else None
    caption = "Wrong, with the least score for the true label." if rows else "No answer was wrong."
    return figure("The most wrong", drawn, caption)


def _worst(section: Section) -> list[ET.Element]:
    drawn = []
    for row in section["worst"]:
        if len(row.get("times_s", ())) < 2:
            continue
        axes = Axes("seconds", "score", x_range=(row["times_s"][0], row["times_s"][-1]))
        lines = [
            Line(f"{row['answer']} (answer)", row["times_s"], row["answer_scores"], "c1"),
            Line(f"{row['truth']} (truth)", row["times_s"], row["truth_scores"], "c0"),
        ]
        names = legend([("c0", f"truth: {row['truth']}"), ("c1", f"answer: {row['answer']}")])
        chart = line_chart(f"scores of {row['item']}", axes, lines)
        drawn.append(element("figure", names, chart, element("figcaption", row["item"])))
    if not drawn:
        return []
    return [element("h3", "Scores over time of the most wrong"), pair(*drawn)]


def _per_class(section: Section) -> ET.Element:
    rows = []
    present = [row for row in section["per_class"] if row["count"]]
    for row in sorted(present, key=lambda row: (row["f1"], row["label"])):
        recall = row["recall"]
        low = recall["value"] < _LOW_RECALL
        span = element("span", f" {recall['low']:.0%} to {recall['high']:.0%}", class_="range")
        cell = element("td", share(recall["value"]), span, class_="low" if low else None)
        rows.append(
            (
                row["label"],
                f"{row['count']:,}",
                cell,
                share(row["precision"]["value"]),
                share(row["f1"]),
                f"{row['average_precision']:.3f}",
            )
        )
    head = ("class", section["unit"], "found (95 % interval)", "precision", "F1", "AP")
    return table(head, rows)

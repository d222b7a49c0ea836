"""A classification section of the document: what windows or clips were taken for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from training.evaluate import Answers
from training.metrics.classification import calibration, macro_average, top_k_accuracy
from training.metrics.confusion import Confusion
from training.metrics.frames import evaluate_frames
from training.reports.detection import thin
from training.reports.rates import rate

_CONFUSED = 12
_WORST = 6

Unit = Literal["windows", "clips"]


def make_section(
    title: str,
    answers: Answers,
    unit: Unit,
    windows: Answers | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Compute every figure of a section.

    Args:
        title: Its heading.
        answers: What was said of the windows or clips.
        unit: Which of both they are.
        windows: Of clips, their windows, whose scores are drawn for the worst.
        notes: What a reader must know.

    Returns:
        JSON values; of no answers at all only counts and notes.
    """
    section: dict[str, Any] = {
        "kind": "classification",
        "title": title,
        "unit": unit,
        "count": len(answers),
        "labels": list(answers.labels),
        "notes": list(notes),
    }
    if len(answers) == 0:
        return section
    confusion = answers.confusion
    reliability = calibration(answers.truth, answers.scores)
    # A fixed k, so that models compare; of five classes or fewer it would say nothing.
    k = 5 if len(answers.labels) > 10 else 3
    per_class = _per_class(answers, confusion)
    top = round(top_k_accuracy(answers.truth, answers.scores, k) * len(answers))
    return section | {
        "videos": len(np.unique(answers.items)),
        "accuracy": rate(int(np.trace(confusion.counts)), len(answers)),
        "top_k": {"k": k, **rate(top, len(answers))} if len(answers.labels) > k + 1 else None,
        "macro_f1": round(macro_average(confusion).f1, 4),
        "ece": round(reliability.error, 4),
        "confidence": round(float(answers.scores.max(axis=1).mean()), 4),
        "per_class": per_class,
        "confusion": confusion.counts.tolist(),
        "confused": _confused(confusion),
        "reliability": [
            {
                "low": round(float(reliability.edges[index]), 4),
                "high": round(float(reliability.edges[index + 1]), 4),
                "count": int(count),
                "confidence": round(float(reliability.confidence[index]), 4),
                "accuracy": round(float(reliability.accuracy[index]), 4),
            }
            for index, count in enumerate(reliability.counts)
        ],
        "curves": _curves(answers, per_class),
        "worst": _worst(answers, windows),
    }


def _per_class(answers: Answers, confusion: Confusion) -> list[dict[str, Any]]:
    """Figures of every class of the model, in its order."""
    truth = np.eye(len(answers.labels), dtype=np.bool_)[answers.truth]
    judged = evaluate_frames(answers.labels, truth, answers.scores)
    precisions = dict(zip(judged.labels, judged.ap.tolist(), strict=True))
    rows = []
    for index, label in enumerate(answers.labels):
        right = int(confusion.counts[index, index])
        count, answered = int(confusion.counts[index].sum()), int(confusion.counts[:, index].sum())
        rows.append(
            {
                "label": label,
                "count": count,
                "answered": answered,
                "recall": rate(right, count),
                "precision": rate(right, answered),
                "f1": round(2 * right / (count + answered), 4) if count + answered else None,
                "average_precision": round(precisions[label], 4) if count else None,
            }
        )
    return rows


def _confused(confusion: Confusion) -> list[dict[str, Any]]:
    """The most frequent mistakes, the most frequent first."""
    wrong = confusion.counts.copy()
    np.fill_diagonal(wrong, 0)
    totals = confusion.counts.sum(axis=1)
    pairs = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSED]:
        truth, answer = divmod(int(place), len(confusion.labels))
        if wrong[truth, answer]:
            pairs.append(
                {
                    "truth": confusion.labels[truth],
                    "answer": confusion.labels[answer],
                    "count": int(wrong[truth, answer]),
                    "of": int(totals[truth]),
                }
            )
    return pairs


def _curves(answers: Answers, per_class: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Precision over recall of each class that occurs, against all others."""
    curves = []
    for index in np.unique(answers.truth):
        scores = answers.scores[:, index]
        order = np.argsort(-scores, kind="stable")
        right = np.cumsum(answers.truth[order] == index)
        # Equal scores are one step: no threshold lies between them.
        ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
        recall = right[ends] / right[-1]
        precision = right[ends] / (ends + 1)
        x, y = thin(recall, precision)
        average = per_class[index]["average_precision"]
        curves.append(
            {
                "label": answers.labels[index],
                "average_precision": average,
                "recall": x,
                "precision": y,
            }
        )
    return curves


def _worst(answers: Answers, windows: Answers | None) -> list[dict[str, Any]]:
    """Wrong answers with the least score for the truth; of clips with their scores over time."""
    said = answers.scores.argmax(axis=1)
    of_truth = np.take_along_axis(answers.scores, answers.truth[:, None], axis=1)[:, 0]
    wrong = np.flatnonzero(said != answers.truth)
    rows = []
    for row in wrong[np.argsort(of_truth[wrong], kind="stable")][:_WORST]:
        truth, answer = int(answers.truth[row]), int(said[row])
        entry: dict[str, Any] = {
            "item": str(answers.items[row]),
            "time_s": round(float(answers.times_s[row]), 3),
            "truth": answers.labels[truth],
            "answer": answers.labels[answer],
            "truth_score": round(float(of_truth[row]), 4),
            "answer_score": round(float(answers.scores[row, answer]), 4),
        }
        if windows is not None:
            entry |= _over_time(windows, entry["item"], truth, answer)
        rows.append(entry)
    return rows


def _over_time(windows: Answers, item: str, truth: int, answer: int) -> dict[str, Any]:
    rows = np.flatnonzero(windows.items == item)
    return {
        "times_s": np.round(windows.times_s[rows], 3).tolist(),
        "truth_scores": np.round(windows.scores[rows, truth], 4).tolist(),
        "answer_scores": np.round(windows.scores[rows, answer], 4).tolist(),
    }

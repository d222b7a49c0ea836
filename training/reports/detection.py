"""A detection section of the document: what was found in untrimmed video, against the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.metrics.detection import (
    ACTIVITYNET_TIOUS,
    THUMOS_TIOUS,
    DetectionResult,
    evaluate_detections,
)
from training.metrics.errors import Outcome, break_down, name_outcomes
from training.metrics.matching import Matches, pair_spans
from training.metrics.spans import Spans
from training.reports.rates import rate

RULES: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "activitynet": ("ActivityNet, tIoU 0.5:0.05:0.95", ACTIVITYNET_TIOUS),
    "thumos": ("THUMOS14, tIoU 0.3:0.1:0.7", THUMOS_TIOUS),
}
"""What a benchmark averages over; its name for people, its thresholds."""

_TIOU = 0.5
_NEAR = 0.1
_CURVE_POINTS = 150
_TIMELINES = 8
_BLOCKS = 150
_CONFUSED = 12


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Truth and detections of one dataset.

    Attributes:
        truth: What there is to find.
        found: What was found, in any order.
        ignored: Spans on which a detection is not wrong.
        durations: Seconds of each video, those without any truth among them; videos of unknown
            length may be missing.
        names: Every video that was judged, where durations do not name them.
        rules: One of `RULES`: whose average stands first.
        live: Whether `found` are events by fixed thresholds, as a stream brings them.
        notes: What a reader must know.
        extra: Further figures that need more than spans, by name.
    """

    truth: Spans
    found: Spans
    ignored: Spans | None = None
    durations: Mapping[str, float] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    rules: str = "activitynet"
    live: bool = False
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def videos(self) -> set[str]:
        """Names of all videos."""
        return {*map(str, np.unique(self.truth.videos)), *self.durations, *self.names}


def make_section(title: str, judged: Judged) -> dict[str, Any]:
    """Compute every figure of a section.

    Args:
        title: Its heading.
        judged: Truth and detections.

    Returns:
        JSON values; without truth only counts and notes.
    """
    videos = judged.videos
    found = judged.found
    labels = np.unique(judged.truth.labels)
    foreign = found.labels[~np.isin(found.labels, labels)]
    section: dict[str, Any] = {
        "kind": "detection",
        "title": title,
        "live": judged.live,
        "rules": judged.rules,
        "videos": len(videos),
        "seconds": _seconds(judged, videos),
        "truths": len(judged.truth),
        "ignored": 0 if judged.ignored is None else len(judged.ignored),
        "detections": len(found),
        "unknown_videos": int((~np.isin(found.videos, sorted(videos))).sum()),
        "foreign_labels": dict(Counter(map(str, foreign)).most_common()),
        **judged.extra,
    }
    section["notes"] = [*judged.notes, *_remarks(section, judged, videos)]
    if len(judged.truth) > 0:
        section |= _figures(judged, found)
    return section


def _seconds(judged: Judged, videos: set[str]) -> float | None:
    """Length of all videos, where each is known."""
    known = [judged.durations.get(video) for video in videos]
    lengths = [seconds for seconds in known if seconds is not None]
    return round(sum(lengths), 3) if len(lengths) == len(known) else None


def _remarks(section: Mapping[str, Any], judged: Judged, videos: set[str]) -> list[str]:
    lines = []
    if len(judged.truth) == 0:
        lines.append("There is no truth: nothing can be judged.")
    elif not judged.live and videos == set(map(str, judged.truth.videos)):
        lines.append(
            "Every video holds an action: false alarms in videos without any are not measured."
        )
    if section["seconds"] is None:
        lines.append("Lengths of videos are not known: nothing is given by the hour.")
    if count := section["unknown_videos"]:
        lines.append(
            f"{count:,} detections lie in videos that the truth does not name; they count as false."
        )
    if foreign := section["foreign_labels"]:
        names = ", ".join(f"{label} ({n:,})" for label, n in list(foreign.items())[:8])
        more = " and more" if len(foreign) > 8 else ""
        lines.append(
            f"Labels that never occur in the truth were detected: {names}{more}. They have no "
            "average precision; they count among the false ones below."
        )
    return lines


def _figures(judged: Judged, found: Spans) -> dict[str, Any]:
    tious = (*ACTIVITYNET_TIOUS, *THUMOS_TIOUS)
    result = evaluate_detections(judged.truth, found, tious, judged.ignored)
    half = ACTIVITYNET_TIOUS.index(_TIOU)
    at_half = replace(
        result.matches,
        tious=result.matches.tious[[half]],
        taken=result.matches.taken[[half]],
    )
    threshold = None if judged.live else _best_threshold(at_half, len(judged.truth))
    errors = break_down(at_half, judged.truth, found)
    (errors_at_half,) = errors.to_dict().values()
    return {
        "map": _maps(result),
        "operating_point": _operating_point(at_half, judged, found, threshold),
        "per_class": _per_class(result, half, threshold),
        "curves": _curves(result, half),
        "errors": errors_at_half,
        "confused": _confused(at_half, judged.truth, found),
        "timelines": _timelines(at_half, judged, found, threshold),
    }


def _maps(result: DetectionResult) -> dict[str, Any]:
    """Mean average precision at each threshold, and the mean over them, by benchmark."""
    first = len(ACTIVITYNET_TIOUS)
    parts = {"activitynet": slice(0, first), "thumos": slice(first, None)}
    return {
        name: {
            "title": RULES[name][0],
            "tious": [round(float(tiou), 2) for tiou in result.tious[part]],
            "map": [round(float(value), 4) for value in result.map[part]],
            "average": round(float(result.ap[part].mean()), 4),
        }
        for name, part in parts.items()
    }


def _best_threshold(matches: Matches, truths: int) -> float | None:
    """Score at which F1 at tIoU 0.5 is highest; None where nothing is detected.

    A detection can only be displaced by one of higher score, so the matching of the detections
    above a threshold is a prefix of the matching of all.
    """
    order = np.argsort(-matches.scores, kind="stable")
    hits = matches.hits[0][order]
    judged = np.cumsum(hits | ~matches.ignored[order])
    if len(order) == 0:
        return None
    f1 = 2 * np.cumsum(hits) / (judged + truths)
    return float(matches.scores[order[int(f1.argmax())]])


def _operating_point(
    matches: Matches, judged: Judged, found: Spans, threshold: float | None
) -> dict[str, Any]:
    """What a user sees at one threshold: how much is found, how much of it is wrong."""
    kept = _kept(matches, threshold)
    hits = int((matches.hits[0] & kept).sum())
    ignored = int((matches.ignored & ~matches.hits[0] & kept).sum())
    everything = len(found) if threshold is None else int((found.scores >= threshold).sum())
    false = everything - hits - ignored
    truths = len(judged.truth)
    seconds = sum(judged.durations.values())
    known = judged.videos <= set(judged.durations)
    return {
        "tiou": _TIOU,
        "threshold": None if threshold is None else round(threshold, 4),
        "recall": rate(hits, truths),
        "precision": rate(hits, hits + false),
        "f1": round(2 * hits / (2 * hits + false + truths - hits), 4),
        "false": false,
        "false_per_hour": round(false / seconds * 3600, 2) if known and seconds else None,
    }


def _kept(matches: Matches, threshold: float | None) -> NDArray[np.bool_]:
    if threshold is None:
        return np.ones(len(matches.scores), np.bool_)
    return np.asarray(matches.scores >= threshold)


def _per_class(result: DetectionResult, half: int, threshold: float | None) -> list[dict[str, Any]]:
    matches = result.matches
    kept = _kept(matches, threshold)
    first = len(ACTIVITYNET_TIOUS)
    rows = []
    for number, label in enumerate(matches.labels):
        places = matches.of_class(number)
        hits = matches.hits[half, places] & kept[places]
        judged = (matches.hits[half, places] | ~matches.ignored[places]) & kept[places]
        truths = int(matches.truths[number])
        rows.append(
            {
                "label": label,
                "truths": truths,
                "detections": int(judged.sum()),
                "recall": rate(int(hits.sum()), truths),
                "precision": rate(int(hits.sum()), int(judged.sum())),
                "ap_at_half": round(float(result.ap[half, number]), 4),
                "ap_activitynet": round(float(result.ap[:first, number].mean()), 4),
                "ap_thumos": round(float(result.ap[first:, number].mean()), 4),
            }
        )
    return rows


def _curves(result: DetectionResult, half: int) -> list[dict[str, Any]]:
    """Precision over recall at tIoU 0.5, by the envelope that average precision is the area of."""
    curves = []
    for number, label in enumerate(result.labels):
        curve = result.curve(label, half)
        if curve.recall.size == 0:
            continue
        envelope = np.maximum.accumulate(curve.precision[::-1])[::-1]
        recall, precision = thin(curve.recall, envelope)
        curves.append(
            {
                "label": label,
                "average_precision": round(float(result.ap[half, number]), 4),
                "recall": recall,
                "precision": precision,
            }
        )
    return curves


def thin(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Keep the points of a curve that a chart can show, its ends among them, to four digits."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), _CURVE_POINTS)).round().astype(int))
    return np.round(x[keep], 4).tolist(), np.round(y[keep], 4).tolist()


def _confused(matches: Matches, truth: Spans, found: Spans) -> list[dict[str, Any]]:
    """Labels given to actions of another label, where the detection lies on the action."""
    ranked = found.select(matches.order)
    wrong = name_outcomes(matches, truth, ranked)[0] == Outcome.WRONG_LABEL
    best = pair_spans(ranked, truth, None, _NEAR).best()
    chosen = wrong[best.rows]
    pairs = Counter(
        zip(
            map(str, truth.labels[best.truths[chosen]]),
            map(str, ranked.labels[best.rows[chosen]]),
            strict=True,
        )
    )
    return [
        {"truth": of, "answer": taken, "count": count}
        for (of, taken), count in pairs.most_common(_CONFUSED)
    ]


def _timelines(
    matches: Matches, judged: Judged, found: Spans, threshold: float | None
) -> list[dict[str, Any]]:
    """Truth and detections of the videos with the most mistakes."""
    taken = matches.taken[0]
    kept = _kept(matches, threshold)
    right = np.zeros(len(found), np.bool_)
    right[matches.order[matches.hits[0]]] = True
    shown = np.ones(len(found), np.bool_) if threshold is None else found.scores >= threshold
    was_found = np.zeros(len(judged.truth), np.bool_)
    was_found[taken[matches.hits[0] & kept]] = True
    mistakes = Counter(map(str, found.videos[shown & ~right]))
    mistakes.update(map(str, judged.truth.videos[~was_found]))
    others = sorted(judged.videos - set(mistakes))
    chosen = sorted(mistakes, key=lambda video: (-mistakes[video], video)) + others
    return [
        {
            "video": video,
            "duration_s": _length(judged, found.select(shown), video),
            "mistakes": mistakes[video],
            "truth": _blocks(judged.truth, judged.truth.videos == video, was_found, "found"),
            "found": _blocks(found, shown & (found.videos == video), right, "right"),
            "ignored": []
            if judged.ignored is None
            else _blocks(judged.ignored, judged.ignored.videos == video, None, ""),
        }
        for video in chosen[:_TIMELINES]
    ]


def _blocks(
    spans: Spans, mask: NDArray[np.bool_], verdict: NDArray[np.bool_] | None, name: str
) -> list[dict[str, Any]]:
    rows = np.flatnonzero(mask)
    rows = rows[np.argsort(spans.start_s[rows], kind="stable")][:_BLOCKS]
    return [
        {
            "label": str(spans.labels[row]),
            "start_s": round(float(spans.start_s[row]), 3),
            "end_s": round(float(spans.end_s[row]), 3),
            "score": round(float(spans.scores[row]), 4),
            **({} if verdict is None else {name: bool(verdict[row])}),
        }
        for row in rows
    ]


def _length(judged: Judged, found: Spans, video: str) -> float:
    """Length of a video, or the end of the last span in it."""
    if (known := judged.durations.get(video)) is not None:
        return round(known, 3)
    ends = [
        float(spans.end_s[spans.videos == video].max(initial=0.0))
        for spans in (judged.truth, found)
    ]
    return round(max(ends), 3)

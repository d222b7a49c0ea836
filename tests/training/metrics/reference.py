"""The definitions once more as plain loops, one prediction at a time: slow and easy to check.

The vectorised figures are compared with these, in tests and in `benchmarks.detection_metrics`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from training.metrics.spans import Floats, Spans

Span = tuple[float, float]


def overlap(first: Span, second: Span) -> float:
    """Intersection over union of two spans; 0 where both are empty."""
    shared = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    union = (first[1] - first[0]) + (second[1] - second[0]) - shared
    return shared / union if union > 0 else 0.0


def rows_of(spans: Spans) -> Iterator[tuple[int, str, str, Span, float]]:
    """Each span as (row, video, label, (start, end), score)."""
    columns = (spans.videos, spans.labels, spans.start_s, spans.end_s, spans.scores)
    for row, (video, label, start, end, score) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        yield row, video, label, (start, end), score


def found_truths(truth: Spans, detections: Spans, tious: Sequence[float]) -> list[dict[int, int]]:
    """Which truth each detection finds, per threshold, by ActivityNet's rules."""
    of_group = defaultdict(list)
    for row, video, label, span, _ in rows_of(truth):
        of_group[video, label].append((row, span))
    found: list[dict[int, int]] = [{} for _ in tious]
    taken: list[set[int]] = [set() for _ in tious]
    for row, video, label, span, _ in sorted(rows_of(detections), key=lambda entry: -entry[4]):
        candidates = [(overlap(span, other), t) for t, other in of_group.get((video, label), ())]
        candidates.sort(key=lambda pair: -pair[0])
        for number, threshold in enumerate(tious):
            for value, candidate in candidates:
                if value < threshold:
                    break
                if candidate not in taken[number]:
                    taken[number].add(candidate)
                    found[number][row] = candidate
                    break
    return found


def average_precisions(
    truth: Spans, detections: Spans, tious: Sequence[float], ignored: Spans | None = None
) -> Floats:
    """Average precision (K, C) of the classes of the truth, by name."""
    labels = sorted(set(truth.labels.tolist()))
    found = found_truths(truth, detections, tious)
    excused = set() if ignored is None else set(_excused(detections, ignored))
    ranked = defaultdict(list)
    for row, _, label, _, _ in sorted(rows_of(detections), key=lambda entry: -entry[4]):
        ranked[label].append(row)
    truths = truth.labels.tolist()
    counts = {label: truths.count(label) for label in labels}
    return np.array(
        [
            [_area(ranked[label], hits.keys(), excused, counts[label]) for label in labels]
            for hits in found
        ]
    )


def _excused(detections: Spans, ignored: Spans) -> Iterator[int]:
    """Detections that overlap an ignored span of their video."""
    of_video = defaultdict(list)
    for _, video, _, span, _ in rows_of(ignored):
        of_video[video].append(span)
    for row, video, _, span, _ in rows_of(detections):
        if any(overlap(span, other) > 0 for other in of_video.get(video, ())):
            yield row


def _area(ranked: list[int], hits: object, excused: set[int], truths: int) -> float:
    """Area under the precision envelope."""
    assert hasattr(hits, "__contains__")
    right = wrong = 0
    points = []
    for row in ranked:
        if row in hits:
            right += 1
        elif row in excused:
            continue
        else:
            wrong += 1
        points.append((right / truths, right / (right + wrong)))
    area = best = 0.0
    for number in range(len(points) - 1, -1, -1):
        best = max(best, points[number][1])
        area += best * (points[number][0] - (points[number - 1][0] if number else 0.0))
    return area


def average_recall(
    truth: Spans, proposals: Spans, largest: float, tious: Sequence[float]
) -> tuple[list[float], list[list[float]]]:
    """Numbers of proposals per video, and recall (K, 100): one proposal after another."""
    videos = sorted(set(truth.videos.tolist()))
    truths = {video: [s for _, v, _, s, _ in rows_of(truth) if v == video] for video in videos}
    made = defaultdict(list)
    for _, video, _, span, _ in sorted(rows_of(proposals), key=lambda entry: -entry[4]):
        made[video].append(span)
    ratio = largest * len(videos) / len(proposals)
    used = {
        video: made[video][: min(int(len(made[video]) * ratio), len(made[video]))]
        for video in videos
    }
    total = sum(map(len, used.values()))
    shares = [number / 100 * (largest * len(videos) / total) for number in range(1, 101)]
    recall = [
        [
            sum(
                any(overlap(span, other) >= tiou for other in used[v][: int(len(used[v]) * share)])
                for v in videos
                for span in truths[v]
            )
            / len(truth)
            for share in shares
        ]
        for tiou in tious
    ]
    return [share * (total / len(videos)) for share in shares], recall


def name_errors(truth: Spans, detections: Spans, tiou: float) -> dict[int, str]:
    """What became of each detection, whatever its rank: the names of DETAD."""
    (found,) = found_truths(truth, detections, [tiou])
    of_video = defaultdict(list)
    for _, video, label, span, _ in rows_of(truth):
        of_video[video].append((label, span))
    names = {}
    for row, video, label, span, _ in rows_of(detections):
        best, same = 0.0, False
        for other, there in of_video.get(video, ()):
            if (value := overlap(span, there)) > best:
                best, same = value, other == label
        if row in found:
            names[row] = "true positive"
        elif best >= tiou:
            names[row] = "double detection" if same else "wrong label"
        elif best >= 0.1:
            names[row] = "localisation" if same else "confusion"
        else:
            names[row] = "background"
    return names


def frame_precisions(truth: list[bool], scores: list[float]) -> tuple[float, float]:
    """Plain and calibrated average precision of one class, threshold by threshold."""
    positives = sum(truth)
    weight = (len(truth) - positives) / positives
    plain = calibrated = before = 0.0
    for threshold in sorted(set(scores), reverse=True):
        right = sum(t for t, s in zip(truth, scores, strict=True) if s >= threshold)
        wrong = sum(s >= threshold for s in scores) - right
        gained = (right - before) / positives
        plain += gained * right / (right + wrong)
        calibrated += gained * right / (right + (wrong / weight if wrong else 0.0))
        before = right
    return plain, calibrated


def edit_distance(first: Sequence[int], second: Sequence[int]) -> int:
    """Levenshtein distance, cell by cell."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        above, row = row, [i]
        for j, b in enumerate(second, 1):
            row.append(min(above[j - 1] + (a != b), above[j] + 1, row[j - 1] + 1))
    return row[-1]


def runs(labels: Sequence[int], background: int | None) -> list[tuple[int, Span]]:
    """Stretches of one label as (label, (first frame, frame after the last))."""
    found: list[tuple[int, Span]] = []
    for frame, label in enumerate(labels):
        if found and found[-1][0] == label:
            found[-1] = (label, (found[-1][1][0], frame + 1))
        else:
            found.append((label, (frame, frame + 1)))
    return [run for run in found if run[0] != background]


def segmental_f1(
    truth: Sequence[int], answers: Sequence[int], background: int | None, tiou: float
) -> float:
    """F1@k, run by run."""
    true_runs, answered = runs(truth, background), runs(answers, background)
    used = set()
    for label, span in answered:
        overlaps = [overlap(span, there) if other == label else 0.0 for other, there in true_runs]
        best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
        if best is not None and overlaps[best] >= tiou and best not in used:
            used.add(best)
    total = len(true_runs) + len(answered)
    return 2 * len(used) / total if total else 1.0

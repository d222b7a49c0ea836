"""Annotation files: what a video is known to show.

The form is a small relative of ActivityNet's: ``{"duration": 60.0, "labels": [...], "annotations":
[{"label": "walk", "segment": [2.0, 6.5]}, …]}``, in seconds; time without a segment is background.
"""

from __future__ import annotations

import json
from pathlib import Path

from contracts.errors import ConfigError
from contracts.messages import TruthMessage, TruthSpan
from contracts.types import Annotation, Truth


def read_truth(file: Path) -> Truth:
    """Read and check an annotation file.

    Args:
        file: JSON file.

    Returns:
        Its content, annotations by start.

    Raises:
        ConfigError: Unreadable, or not of the form; says what is wrong.
    """
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
        annotations = tuple(
            Annotation(str(item["label"]), float(item["segment"][0]), float(item["segment"][1]))
            for item in tree["annotations"]
        )
        duration_s = float(tree["duration"])
        labels = tuple(str(label) for label in tree.get("labels", ()))
    except OSError as exc:
        raise ConfigError(f"Cannot read the annotations {file}: {exc.strerror}.") from exc
    except (KeyError, IndexError, TypeError, ValueError) as exc:
        raise ConfigError(f"{file} is not an annotation file: {type(exc).__name__} {exc}.") from exc
    for annotation in annotations:
        if not 0 <= annotation.start_s < annotation.end_s <= duration_s:
            raise ConfigError(
                f"{file}: {annotation.label} runs from {annotation.start_s:g} to "
                f"{annotation.end_s:g} s in a video of {duration_s:g} s."
            )
    ordered = tuple(sorted(annotations, key=lambda annotation: annotation.start_s))
    return Truth(duration_s, labels, ordered)


def truth_message(truth: Truth, stream: str, started_at: float) -> TruthMessage:
    """Say what a video shows that is being published now.

    Args:
        truth: Its annotations.
        stream: Name of the stream.
        started_at: UTC seconds at which media time 0 was sent.
    """
    return TruthMessage(
        stream=stream,
        started_at=started_at,
        duration_s=truth.duration_s,
        annotations=[TruthSpan(item.label, item.start_s, item.end_s) for item in truth.annotations],
    )

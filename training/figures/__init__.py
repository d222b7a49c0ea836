"""Drawn human figures: licence-free video with exact annotations.

draw_clip("walk", seed=3)                      one training clip, (T, H, W, 3) uint8 RGB
draw_clip("handshake", seed=3)                 the same with two people
draw_stream(shots, size, fps)                  untrimmed video; `annotations(shots)` is its truth
numbered.numbered_frames(count, size)          frames that carry their number, for tests
"""

from contracts.types import Annotation
from training.figures.choreography import (
    LABELS,
    NONE_LABEL,
    Shot,
    Step,
    annotations,
)
from training.figures.clips import draw_clip, draw_stream, random_shot, render
from training.figures.encounters import INTERACTIONS, Encounter

__all__ = [
    "INTERACTIONS",
    "LABELS",
    "NONE_LABEL",
    "Annotation",
    "Encounter",
    "Shot",
    "Step",
    "annotations",
    "draw_clip",
    "draw_stream",
    "random_shot",
    "render",
]

"""Random truths and detections on a coarse grid, so that equal overlaps and scores are common."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from training.metrics.spans import Spans

VIDEOS, LABELS = np.array(["u", "v", "w"]), np.array(["a", "b", "c"])


def random_spans(least: int = 0, most: int = 12, names: int = 3) -> st.SearchStrategy[Spans]:
    """Spans of some videos and as many labels, times in whole seconds, scores in quarters.

    Hypothesis chooses the number of spans and a seed: drawing every value of thirty spans takes it
    longer than what is tested.
    """
    return st.builds(
        _make_spans, st.integers(least, most), st.integers(0, 2**32 - 1), st.just(names)
    )


def _make_spans(count: int, seed: int, names: int) -> Spans:
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 13, count).astype(np.float64)
    return Spans(
        rng.choice(VIDEOS[:names], count),
        rng.choice(LABELS[:names], count),
        start,
        start + rng.integers(0, 9, count),
        rng.integers(0, 5, count) / 4,
    )

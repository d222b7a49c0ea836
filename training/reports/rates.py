"""Shares with their counts and their uncertainty."""

from __future__ import annotations

from typing import Any

from training.metrics.classification import wilson_interval


def rate(right: int, count: int) -> dict[str, Any]:
    """Describe a share.

    Args:
        right: How many are right.
        count: Of how many.

    Returns:
        ``value``, None of nothing; ``right`` and ``count``; ``low`` and ``high``: Wilson's 95 %
        interval.
    """
    low, high = wilson_interval(right, count)
    return {
        "value": round(right / count, 4) if count else None,
        "right": right,
        "count": count,
        "low": round(low, 4),
        "high": round(high, 4),
    }

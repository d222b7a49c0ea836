"""What a reader must know about the data to read a report's numbers rightly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from inference.bundle import Bundle


def label_notes(unknown: Mapping[str, int], what: str) -> list[str]:
    """Say which labels of the data the model does not know, and how much was left out for it."""
    if not unknown:
        return []
    names = ", ".join(f"{label} ({count:,})" for label, count in sorted(unknown.items())[:12])
    more = f" and {len(unknown) - 12} more" if len(unknown) > 12 else ""
    return [
        f"{sum(unknown.values()):,} {what} bear labels that the model does not know and were left "
        f"out: {names}{more}."
    ]


def background_notes(bundle: Bundle, truth: Iterable[str]) -> list[str]:
    """Say where data cannot show false alarms, or show nothing else."""
    names, occurring = set(bundle.background_names), set(truth)
    if not occurring or not names:
        return []
    if not names & occurring:
        return [
            f"No clip shows {' or '.join(sorted(names))}: how often the model sees an action where "
            "there is none is not measured here."
        ]
    if occurring <= names:
        return ["There is no action in these data: only false alarms are measured."]
    return []

"""What a check finds, as values that sort themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from training.datasets.checking.measure import Measures
from training.datasets.dataset import Video


class Severity(StrEnum):
    """How bad a finding is: figures are wrong, figures may suffer, worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Checked:
    """A video with what was measured of it.

    Attributes:
        video: The video.
        measures: None where its file is not at hand.
    """

    video: Video
    measures: Measures | None


@dataclass(frozen=True, slots=True)
class Case:
    """One occurrence of a finding.

    Attributes:
        videos: Names of the videos concerned; none where it is about a class or the whole.
        detail: What is so, in a few words.
        numbers: The figures behind it, by name with unit.
    """

    videos: tuple[str, ...]
    detail: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of trouble with all its occurrences.

    Attributes:
        kind: Stable identifier, as ``duplicate-leak``.
        severity: How bad it is.
        summary: What was found, in one sentence.
        advice: What to do about it.
        cases: Worst first; never empty.
    """

    kind: str
    severity: Severity
    summary: str
    advice: str
    cases: tuple[Case, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "kind": self.kind,
            "severity": str(self.severity),
            "summary": self.summary,
            "advice": self.advice,
            "cases": [
                {"videos": list(case.videos), "detail": case.detail, "numbers": dict(case.numbers)}
                for case in self.cases
            ],
        }


_SEVERITIES = tuple(Severity)
# Within a severity what spoils every figure comes before what spoils some.
_FIRST = (
    *("duplicate-leak", "group-leak", "label-conflict", "untrained-class", "broken"),
    *("scene-leak", "unknown-group"),
)


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings, the worst first: leaks between parts, then by severity, then by count."""

    def rank(finding: Finding) -> tuple[int, int, int]:
        urgent = _FIRST.index(finding.kind) if finding.kind in _FIRST else len(_FIRST)
        return _SEVERITIES.index(finding.severity), urgent, -len(finding.cases)

    return tuple(sorted(findings, key=rank))


def count(number: int, noun: str) -> str:
    """Write a number with its noun, as ``1 video`` and ``2 videos``."""
    plural = noun if number == 1 else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {plural}"

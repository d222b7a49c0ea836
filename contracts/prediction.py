"""What is said about a whole video: the answer of ``predict`` and of the REST API."""

from __future__ import annotations

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PredictedSegment:
    """An action in the video, in media seconds, ``[start, end)``."""

    label: str
    start: float
    end: float
    score: float = Field(ge=0, le=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a video shows.

    Attributes:
        label: The strongest class over the whole video.
        probability: Its mean score.
        scores: Mean score of every class.
        segments: The actions, by start.
        model: ``name@version``.
        duration_s: Length of the video in seconds.
        video: The file, where several are asked about.
    """

    label: str
    probability: float
    scores: dict[str, float]
    segments: list[PredictedSegment]
    model: str
    duration_s: float
    video: str | None = None

    def to_json(self) -> str:
        """Serialise to one line of JSON; ``video`` only if it is set."""
        return _ADAPTER.dump_json(self, exclude_none=True).decode()


_ADAPTER = TypeAdapter(Prediction)

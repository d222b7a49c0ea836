"""Messages as the worker would send them, for the dashboard's tests."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.messages import (
    Event,
    FrameCount,
    Labels,
    Message,
    Scores,
    StreamStatus,
    TopScore,
    TruthMessage,
    TruthSpan,
)
from contracts.topics import Topics
from contracts.types import Clock, Latency, Quality, StreamState, TimeSpan
from dashboard.store import Store

LABELS = ("walk", "jump", "none")
MODEL = "test@1.0.0"
NOW = 1_800_000_000.0
STRIDE_S = 0.16
WINDOW_S = 1.28


def labels(names: Sequence[str] = LABELS) -> Labels:
    """The labels of a model whose background is `none`."""
    return Labels(
        model=MODEL,
        labels=list(names),
        titles=[f"To {name}" for name in names],
        background=["none"],
    )


def scores(
    seq: int, end: float, table: dict[str, float], stream: str = "cam", total_ms: float = 100.0
) -> Scores:
    """Scores of the window that ends at a time."""
    top = max(table, key=lambda label: table[label])
    return Scores(
        stream=stream,
        seq=seq,
        window=TimeSpan(end - WINDOW_S, end),
        media=TimeSpan(0, WINDOW_S),
        top=TopScore(top, table[top]),
        scores=table,
        model=MODEL,
        clock=Clock.ARRIVAL,
        frames=FrameCount(16, 0),
        latency_ms=Latency(decode=4, wait=1, model=20, total=total_ms),
        quality=Quality(0.5, 100),
        published_at=end + 0.1,
    )


def status(
    state: StreamState = StreamState.LIVE, stream: str = "cam", error: str | None = None
) -> StreamStatus:
    """Status of a stream of 720p."""
    return StreamStatus(
        stream=stream,
        state=state,
        since=NOW - 10,
        resolution="1280x720",
        fps=25.0,
        codec="h264",
        model=MODEL,
        error=error,
    )


def event(number: int, start: float, end: float | None, label: str = "walk") -> Event:
    """An event, going on or over."""
    return Event(
        stream="cam",
        id=f"e{number}",
        type="new" if end is None else "end",
        label=label,
        start=start,
        end=end,
        score=0.8,
        peak=0.9,
        model=MODEL,
    )


def truth(started_at: float, duration_s: float, *spans: tuple[str, float, float]) -> TruthMessage:
    """What a video shows."""
    return TruthMessage(
        stream="cam",
        started_at=started_at,
        duration_s=duration_s,
        annotations=[TruthSpan(*span) for span in spans],
    )


def feed(store: Store, message: Message, now_s: float = NOW, stream: str = "cam") -> None:
    """Hand a message to a store as if it had come over MQTT."""
    store.feed(Topics().stream(stream, message.KIND), message.to_json(), now_s)


def feed_run(store: Store, label: str, start_s: float, number: int, first_seq: int = 0) -> None:
    """Feed windows of which one class is sure, one per stride, received when they end."""
    for step in range(number):
        table = {name: 0.9 if name == label else 0.05 for name in LABELS}
        end = start_s + step * STRIDE_S
        feed(store, scores(first_seq + step, end, table), end + 0.1)

"""What changed since a client's last look, as JSON that clients of one stream share.

A client asks with the revision it knows and gets everything newer, so that an answer lost on the
way, a sleeping browser or a slow line costs nothing but a larger next answer. Revisions are frozen
ten times a second: clients that ask within one tick know the same and get the same bytes.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from contracts.errors import redact
from contracts.messages import Event
from contracts.topics import Kind
from contracts.types import StreamState
from dashboard.ring import STAGES, Rows
from dashboard.store import Store, Stream, describe_state, shown_columns
from dashboard.truth import agreement, lay_out

HEARTBEAT_S = 1.0
"""Longest time without an answer: what the page takes as a sign of life."""

TICK_S = 0.1
"""Time between two increments of one client: at most ten a second."""

MAX_LINES = 24
"""Lines of one graph; a model with more classes shows those that ever stood out."""

_SUMMARY_S = 0.5
_STATISTICS_S = 60.0
_HEALTH_S = 1.0
# Windows behind the latency of this moment.
_NEWEST_WINDOWS = 24
_EVENTS_SHOWN = 60
# More points than this on one line cannot be told apart, but must all be drawn.
_POINTS = 1500


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client knows and wants.

    Attributes:
        stream: The stream it shows; empty: only the overview.
        health: Whether it shows the figures of every stream.
        since: Revision of its last answer, 0 at first.
        epoch: Epoch of its last answer; another one means that the dashboard was restarted.
    """

    stream: str = ""
    since: int = 0
    epoch: str = ""
    health: bool = False


@dataclass(slots=True)
class _Section:
    """A part of the answer that is replaced as a whole."""

    json: str = ""
    revision: int = 0
    made_at: float = 0.0

    def due(self, now_s: float, every_s: float = _SUMMARY_S) -> bool:
        """Whether it is old; a clock that was set back makes it old, too."""
        return not 0 <= now_s - self.made_at < every_s


class Increments:
    """Answers clients from the store; belongs to the event loop's thread."""

    def __init__(self, store: Store, address: str) -> None:
        """Keep what the answers need.

        Args:
            store: Where the news come from.
            address: The broker's URL as it may be shown.
        """
        self.epoch = secrets.token_hex(4)
        self._store = store
        self._address = address
        self._frozen = 0
        self._frozen_at = 0.0
        self._cache: dict[tuple[str, int, bool], str | None] = {}
        self._overview = _Section()
        self._health = _Section()
        self._summaries: dict[str, _Section] = {}
        self._lines: dict[str, tuple[int, list[int]]] = {}

    def answer(self, ask: Ask, now_s: float) -> str | None:
        """Say what is new to a client.

        Args:
            ask: What it knows.
            now_s: UTC seconds now.

        Returns:
            JSON, or ``None`` if nothing is new.
        """
        since = ask.since if ask.epoch == self.epoch else 0
        with self._store.lock:
            self._freeze(now_s)
            key = (ask.stream, since, ask.health)
            if key not in self._cache:
                self._cache[key] = self._build(ask, since, now_s)
            return self._cache[key]

    def heartbeat(self, ask: Ask) -> str:
        """JSON of an answer without news."""
        return _dump({"stream": ask.stream})

    def _freeze(self, now_s: float) -> None:
        """Start a new tick if the last one is over."""
        if 0 <= now_s - self._frozen_at < 0.9 * TICK_S:
            return
        if self._overview.due(now_s):
            self._replace(self._overview, self._overview_json(now_s), now_s)
        for gone in self._summaries.keys() - self._store.streams.keys():
            del self._summaries[gone]
            self._lines.pop(gone, None)
        self._frozen = self._store.revision
        self._frozen_at = now_s
        self._cache.clear()

    def _replace(self, section: _Section, text: str, now_s: float) -> None:
        section.made_at = now_s
        if text != section.json:
            self._store.revision += 1
            section.json = text
            section.revision = self._store.revision

    def _build(self, ask: Ask, since: int, now_s: float) -> str | None:
        parts = []
        if self._overview.revision > since:
            parts.append(f'"overview":{self._overview.json}')
        if ask.health:
            parts += self._health_since(since, now_s)
        stream = self._store.streams.get(ask.stream)
        if stream is not None:
            detail = self._detail(stream, since, now_s)
            if detail:
                parts.append(f'"detail":{{{detail}}}')
        if not parts:
            return None
        head = {
            "stream": ask.stream,
            "epoch": self.epoch,
            "rev": self._frozen,
            "at": round(now_s, 3),
        }
        return f"{{{','.join([_dump(head)[1:-1], *parts])}}}"

    def _health_since(self, since: int, now_s: float) -> list[str]:
        """The figures of every stream if they are newer than a revision."""
        if self._health.due(now_s, _HEALTH_S):
            self._replace(self._health, _dump([_vitals(one) for one in self._sorted()]), now_s)
            self._frozen = self._store.revision
        if self._health.revision <= since:
            return []
        return [f'"health":{self._health.json}']

    def _sorted(self) -> list[Stream]:
        streams = self._store.streams
        return [streams[name] for name in sorted(streams, key=_natural)]

    def _overview_json(self, now_s: float) -> str:
        store = self._store
        return _dump(
            {
                "broker": store.broker_connected,
                "error": store.broker_error,
                "worker": store.worker_online,
                "address": self._address,
                "refused": store.refused_streams,
                "malformed": store.bad_messages,
                "streams": [_card(stream, now_s) for stream in self._sorted()],
            }
        )

    def _detail(self, stream: Stream, since: int, now_s: float) -> str:
        """The parts of one stream that are newer than a revision, without the braces."""
        edge_s = now_s - stream.offset_s
        summary = self._summaries.setdefault(stream.name, _Section())
        if summary.due(now_s):
            self._replace(summary, _dump(_summary(stream, now_s)), now_s)
        lines_revision, columns = self._choose_lines(stream)
        # Both may have raised the revision; the answer must name one that covers them.
        self._frozen = self._store.revision
        full = since < max(lines_revision, stream.ring.overwritten, 1)
        first = 0 if full else since
        parts = []
        if full:
            parts.append(f'"labels":{_dump(_labels(stream, columns))}')
            parts.append(f'"reference":{stream.ring.reference}')
        points = self._points(stream, columns, first, edge_s)
        if points or full:
            parts.append(f'"points":{_dump(points)}')
        if full or stream.changed_since(Kind.EVENTS, since):
            parts.append(f'"events":{_dump(_events(stream))}')
        if full or stream.changed_since(Kind.STATE, since):
            parts.append(f'"control":{_dump(_control(stream))}')
        if summary.revision > first:
            parts.append(f'"summary":{summary.json}')
        if not parts:
            return ""
        head = {"full": full, "now": round(edge_s, 3)}
        return ",".join([_dump(head)[1:-1], *parts])

    def _choose_lines(self, stream: Stream) -> tuple[int, list[int]]:
        """Columns that get a line, chosen anew when labels change or another class stands out."""
        revision, columns = self._lines.get(stream.name, (-1, []))
        newest = stream.ring.rows(1)
        stale = stream.changed_since(Kind.LABELS, revision) or revision < 0
        if stale or (len(newest) and int(newest.top[-1]) not in columns):
            columns = shown_columns(stream.ring.rows().scores, MAX_LINES)
            revision = self._store.revision
            self._lines[stream.name] = (revision, columns)
        return revision, columns

    def _points(
        self, stream: Stream, columns: list[int], since: int, edge_s: float
    ) -> dict[str, Any]:
        window_s = self._store.window_s
        rows = stream.ring.rows().since(edge_s - window_s - 1.0)
        rows = rows.thinned(window_s / _POINTS).after(since)
        number = int(np.searchsorted(rows.revision, self._frozen, side="right"))
        if not number:
            return {}
        scores = np.nan_to_num(rows.scores[:number, columns], nan=-1e-3)
        return {
            "t": np.round(rows.moment[:number], 3).tolist(),
            "gap": np.flatnonzero(rows.gap[:number]).tolist(),
            # Thousandths, -1 where unknown: a third of the bytes of decimal fractions.
            "s": np.rint(scores * 1000).astype(int).tolist(),
        }


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts ``cam2`` before ``cam10``."""
    parts = re.split(r"([0-9]{1,9})", name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _card(stream: Stream, now_s: float) -> dict[str, Any]:
    label, score = stream.last_top or (None, 0.0)
    status = stream.status
    live = stream.state is StreamState.LIVE
    event = next(reversed(stream.events.values()), None)
    return {
        "name": stream.name,
        "state": str(stream.state),
        "words": describe_state(stream, now_s),
        "paused": stream.control is not None and stream.control.paused,
        "title": stream.title(label) if label is not None else None,
        "label": _index(stream, label),
        "background": label in stream.background,
        "score": round(score, 2),
        "fps": round(status.fps, 1) if status and status.fps and live else None,
        "latency": _newest_total(stream) if live else None,
        "event": None if event is None else _happening(stream, event),
    }


def _happening(stream: Stream, event: Event) -> dict[str, Any]:
    """What last happened, for a card; times by this machine's clock."""
    shift_s = stream.offset_s
    return {
        "title": stream.title(event.label),
        "label": _index(stream, event.label),
        "start": round(event.start + shift_s, 1),
        "end": None if event.end is None else round(event.end + shift_s, 1),
    }


def _newest_total(stream: Stream) -> int | None:
    """Median milliseconds from capture to publishing of the newest windows."""
    total = stream.ring.rows(_NEWEST_WINDOWS).latency_ms[:, STAGES.index("total")]
    return round(float(np.median(total))) if len(total) else None


def _vitals(stream: Stream) -> dict[str, Any]:
    """The figures of one stream at this moment; counters grow for as long as the dashboard runs."""
    status = stream.status
    rows = stream.ring.rows(_NEWEST_WINDOWS)
    latency = _latency(rows) if stream.state is StreamState.LIVE else None
    publish_s = sorted(stream.publish_s)
    if latency is not None and publish_s:
        latency["publish"] = round(1000 * publish_s[len(publish_s) // 2], 1)
    return {
        "name": stream.name,
        "state": str(stream.state),
        "fps": status.fps if status else None,
        "resolution": status.resolution if status else None,
        "codec": status.codec if status else None,
        "model": status.model if status else None,
        "error": redact(status.error)[:300] if status and status.error else None,
        "dropped": status.dropped if status else 0,
        "received": stream.ring.received,
        "lost": stream.ring.lost,
        "places": stream.frames.used + stream.frames.missing,
        "missing": stream.frames.missing,
        "latency": latency,
    }


def _index(stream: Stream, label: str | None) -> int:
    """Place of a label in the model's order, which fixes its colour; -1 if the model lacks it."""
    labels = stream.ring.labels
    return labels.index(label) if label in labels else -1


def _labels(stream: Stream, columns: list[int]) -> list[dict[str, Any]]:
    labels = stream.ring.labels
    return [
        {
            "index": column,
            "name": labels[column],
            "title": stream.title(labels[column]),
            "background": labels[column] in stream.background,
        }
        for column in columns
    ]


def _events(stream: Stream) -> list[dict[str, Any]]:
    newest = sorted(stream.events.values(), key=lambda event: event.start)[-_EVENTS_SHOWN:]
    return [
        {
            "id": event.id,
            "label": _index(stream, event.label),
            "title": stream.title(event.label),
            "start": event.start,
            "end": event.end,
            "score": round(event.score, 3),
            "peak": round(event.peak, 3),
        }
        for event in newest
    ]


def _control(stream: Stream) -> dict[str, Any] | None:
    """The rules in force, whether the analysis rests, and why a command was refused."""
    control = stream.control
    if control is None:
        return None
    return {
        "paused": control.paused,
        "rules": {label: asdict(rule) for label, rule in control.rules.items()},
        "defaults": {label: asdict(rule) for label, rule in control.defaults.items()},
        "smoothing_s": control.smoothing_s,
        "error": control.error,
    }


def _summary(stream: Stream, now_s: float) -> dict[str, Any]:
    """Figures of the last minute and what the status says, for the tiles and the truth strip."""
    edge_s = now_s - stream.offset_s
    status = stream.status
    rows = stream.ring.rows().since(edge_s - _STATISTICS_S)
    return {
        "state": str(stream.state),
        "words": describe_state(stream, now_s),
        "since": status.since if status else None,
        "fps": status.fps if status else None,
        "resolution": status.resolution if status else None,
        "codec": status.codec if status else None,
        "model": status.model if status else None,
        "dropped": status.dropped if status else 0,
        "received": stream.ring.received,
        "lost": stream.ring.lost,
        "rate": round(len(rows) / _STATISTICS_S, 2) if _covers(stream, edge_s) else None,
        "latency": _latency(rows),
        "behind": round(stream.offset_s, 1),
        "window": round(float(rows.end[-1] - rows.start[-1]), 3) if len(rows) else None,
        "media_zero": None if stream.media_zero is None else round(stream.media_zero, 2),
        **_truth(stream, rows, edge_s),
    }


def _covers(stream: Stream, edge_s: float) -> bool:
    """Whether the ring reaches back a whole minute."""
    rows = stream.ring.rows()
    return len(rows) > 0 and float(rows.moment[0]) <= edge_s - _STATISTICS_S


def _latency(rows: Rows) -> dict[str, Any] | None:
    if len(rows) == 0:
        return None
    medians = np.median(rows.latency_ms, axis=0)
    total = rows.latency_ms[:, STAGES.index("total")]
    return {
        "p95": round(float(np.percentile(total, 95)), 1),
        **{stage: round(float(value), 1) for stage, value in zip(STAGES, medians, strict=True)},
    }


def _truth(stream: Stream, rows: Rows, edge_s: float) -> dict[str, Any]:
    """The truth strip and the agreement with it; both empty without a truth."""
    if not stream.truths or stream.last_end is None:
        return {"truth": None, "agreement": None}
    # Where no scores arrive any more nothing is known to be shown either.
    until_s = min(edge_s, stream.last_end) + 1.0
    since_s = min(edge_s - _STATISTICS_S, float(rows.start[0]) if len(rows) else edge_s)
    spans = lay_out(list(stream.truths), since_s, until_s)
    labels = stream.ring.labels
    windows = zip(rows.start, rows.end, (labels[column] for column in rows.top), strict=True)
    verdict = agreement(windows, spans, stream.background)
    return {
        "truth": [
            [_index(stream, span.label), stream.title(span.label), span.start, span.end]
            for span in spans
            if span.label is not None
        ],
        "agreement": [verdict.right, verdict.judged],
    }

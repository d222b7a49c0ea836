"""A whole day of one stream: no growth of memory, no drift of scores, nothing lost or misplaced.

    python -m benchmarks.endurance [HOURS [smooth|rough]]

A camera of twice the frame rate that the model samples shows the demo clip in a loop, for a smooth
day and then for a rough one, whose frames get lost, fall silent, jump in time and lose their
connection about once a minute. Every frame passes the real sampler, the real ring and head as one
stream of the engine, and the real message and event logic; only video decoding and the broker are
left out. The encoder has no memory, so a frame of the loop that follows on its predecessor has the
features it always had: they are computed once, and every 2,000th time again for comparison. All
other frames (where a run begins, after a hole) are truly encoded.

Each window whose sixteen frames are sixteen in a row of the loop must have, bit for bit, the scores
that these frames had before the day began. Every window must lie on the grid that began with its
run, in media time and in UTC. Numbers of messages must have no hole, and every event must end.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from contracts.messages import ControlState, Event, Labels, Scores, StreamStatus
from contracts.settings import Settings, StreamSettings
from contracts.types import Clock, SampledFrame, Sampling, WindowScores
from inference.bundle import Bundle
from inference.engine import Engine, score_batch
from inference.runtime import Runtime
from inference.stream import AnalysedStream, OnFrame, OnStatus, Source, StreamParts
from inference.worker import window_spec
from stack.broadcast import DEMO_CLIP
from stack.models import open_bundle
from streaming.files import read_frames
from streaming.sampler import FrameSampler

_TICKS = 90_000  # per second, as RTP and MPEG-TS count media time
_WRAP = 2**33  # where MPEG-TS begins to count anew
_UTC = 1_763_634_000.0
_ENCODE_AGAIN = 2000
_REPORTS = 4
_STATM = Path("/proc/self/statm")
_MAX_GROWTH_MB = 8.0
_MAX_ERROR_S = 1e-6  # UTC seconds of our time have no finer steps than 0.24 microseconds


@dataclass(frozen=True, slots=True)
class Tick:
    """A frame as a camera sends it.

    Attributes:
        number: Counts the frames of the day, lost ones too; what the clip shows goes by it.
        pts_s: Media time.
        reconnected: Whether the connection is new.
    """

    number: int
    pts_s: float
    reconnected: bool = False


def smooth_day(hours: float, fps: float) -> Iterator[Tick]:
    """Every frame, on time.

    Args:
        hours: Length of the day.
        fps: Frames per second of the camera.
    """
    for number in range(round(hours * 3600 * fps)):
        yield Tick(number, number * round(_TICKS / fps) / _TICKS)


def rough_day(hours: float, fps: float, every_s: float = 60.0, seed: int = 0) -> Iterator[Tick]:
    """The same with troubles.

    Args:
        hours: Length of the day.
        fps: Frames per second of the camera.
        every_s: Mean time between two troubles.
        seed: Start of all chance.
    """
    rng = np.random.default_rng(seed)
    step, total = round(_TICKS / fps), round(hours * 3600 * fps)
    number = offset = 0
    reconnected = False
    while number < total:
        quiet = 1 + int(rng.exponential(every_s) * fps)
        for _ in range(min(quiet, total - number)):
            yield Tick(number, (number * step + offset) / _TICKS, reconnected)
            number, reconnected = number + 1, False
        trouble = rng.integers(5)
        # Lost frames; or half a second to half a minute of silence, on both sides of a gap.
        number += int(rng.integers(1, 20) if trouble < 2 else rng.integers(12, 750))
        if trouble == 2:  # ahead, or back to nearly zero, or where the count of MPEG-TS wraps
            offset += int(rng.choice([_TICKS * 5000, -number * step, -_WRAP]))
        reconnected = trouble == 3


class LoopModel(Runtime):
    """The model, with the features of a loop's frames remembered.

    Attributes:
        encoded: Frames that were truly encoded since the loop was learned.
        differing: Among those of the loop, the ones whose features were not bit-equal.
        last: (B, T, D) float32: the windows that were scored last.
    """

    def __init__(self, bundle: Bundle, pictures: Sequence[NDArray[np.uint8]]) -> None:
        """Load the model and encode the loop.

        Args:
            bundle: The model.
            pictures: (H, W, 3) uint8 RGB each; the last is followed by the first.
        """
        self._known: dict[int, NDArray[np.float32]] = {}
        self._scores: dict[bytes, bytes] = {}
        self._calls = self.encoded = self.differing = 0
        self.last: NDArray[np.float32] = np.zeros((0, 0, 0), np.float32)
        super().__init__(bundle)
        pairs = [(pictures[n][None], pictures[n - 1][None]) for n in range(len(pictures))]
        encode = super().encode
        found = [encode(*pair) for pair in pairs]
        self._known = {_key(*pair): row for pair, row in zip(pairs, found, strict=True)}
        self._learn_scores(np.concatenate(found))
        self._calls = self.encoded = 0

    def _learn_scores(self, features: NDArray[np.float32]) -> None:
        frames = self.bundle.input.frames
        around = np.concatenate([features, features[:frames]])
        for start in range(len(features)):
            window = np.ascontiguousarray(around[None, start : start + frames])
            self._scores[window.tobytes()] = super().score(window).tobytes()

    def encode(self, frames: NDArray[np.uint8], previous: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Look a frame up, or encode it, as `Runtime` does."""
        self._calls += 1
        known = self._known.get(_key(frames, previous))
        if known is not None and self._calls % _ENCODE_AGAIN:
            return known
        self.encoded += 1
        fresh = super().encode(frames, previous)
        if known is not None and not np.array_equal(known, fresh):
            self.differing += 1
        return fresh

    def compare(self, window: NDArray[np.float32], scores: NDArray[np.float32]) -> bool | None:
        """Whether a window has the scores that it had before the day; None for other windows."""
        wanted = self._scores.get(window.tobytes())
        return None if wanted is None else wanted == scores.tobytes()

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score, and keep what was scored for `compare`."""
        self.last = windows
        return super().score(windows)


def _key(frame: NDArray[np.uint8], previous: NDArray[np.uint8]) -> int:
    return hash((frame.tobytes(), previous.tobytes()))


@dataclass(slots=True)
class Ledger:
    """Takes a stream's messages in place of a broker, and counts what should not be.

    Attributes:
        windows: Messages with scores.
        misnumbered: Those whose number was not the next one.
        events: Events that began.
        wrong_ends: Ends of what had not begun, or before its start.
        open: Ids of the events that go on.
    """

    windows: int = 0
    misnumbered: int = 0
    events: int = 0
    wrong_ends: int = 0
    open: set[str] = field(default_factory=set)

    def scores(self, message: Scores) -> bool:
        """Count a window."""
        self.misnumbered += message.seq != self.windows
        self.windows += 1
        return True

    def event(self, message: Event) -> bool:
        """Follow an event."""
        if message.type == "new":
            self.events += 1
            self.open.add(message.id)
        elif message.type == "end":
            self.wrong_ends += message.id not in self.open or (message.end or 0) < message.start
            self.open.discard(message.id)
        return True

    def status(self, message: StreamStatus) -> None:
        """Nothing to count."""

    def labels(self, stream: str, message: Labels) -> None:
        """Nothing to count."""

    def state(self, message: ControlState) -> None:
        """Nothing to count."""

    def forget(self, stream: str) -> None:
        """Nothing to count."""


@dataclass(slots=True)
class Findings:
    """What a day showed.

    Attributes:
        frames: Sampled frames.
        runs: Runs that began.
        equal: Windows bit-equal to what they were before the day.
        unequal: Windows that should have been and were not.
        media_error_s: Greatest distance of a window's media time from the grid of its run.
        utc_error_s: The same of its UTC time.
    """

    frames: int = 0
    runs: int = 0
    equal: int = 0
    unequal: int = 0
    media_error_s: float = 0.0
    utc_error_s: float = 0.0


class Day:
    """One stream that lives through a day."""

    def __init__(self, model: LoopModel, pictures: Sequence[NDArray[np.uint8]]) -> None:
        """Prepare the stream.

        Args:
            model: Has learned the pictures.
            pictures: What the camera sees, in a loop.
        """
        settings = Settings()
        self.ledger = Ledger()
        self.found = Findings()
        self._model = model
        self._pictures = pictures
        self._spec = window_spec(model.bundle, settings)
        self._sampler = FrameSampler(self._spec.period_s)
        self.camera_fps = 2 / self._spec.period_s
        self._memory = model.new_stream(self._spec)
        self._origin: SampledFrame | None = None
        # Its thread is not started: the day calls in its place, as fast as it can.
        engine = Engine(model, self._spec, lambda _name, _window: None)
        parts = StreamParts(model.bundle, engine, self.ledger, _no_source, settings.events)
        self._stream = AnalysedStream(StreamSettings(name="day", url="rtsp://127.0.0.1/"), parts)

    def live(self, ticks: Iterator[Tick]) -> None:
        """Let frames pass."""
        for tick in ticks:
            if tick.reconnected:
                self._sampler.restart()
            place = self._sampler.offer(tick.pts_s, (640, 360))
            if place.index is None:
                continue
            picture = self._pictures[tick.number // 2 % len(self._pictures)]
            at = _UTC + tick.number / 2 * self._spec.period_s
            times = (place.pts_s, at, Clock.RTCP, 0.0, time.monotonic())
            self._pass(SampledFrame(picture, place.index, place.run, *times))

    def end(self) -> None:
        """The stream is taken away: whatever goes on ends."""
        self._stream.stop()

    def _pass(self, frame: SampledFrame) -> None:
        self.found.frames += 1
        if self._origin is None or frame.run != self._origin.run:
            self._origin = frame
            self.found.runs += 1
        for _, window in score_batch(self._model, [(self._memory, frame)]):
            self._check(window, self._origin)
            self._stream.on_window(window)

    def _check(self, window: WindowScores, origin: SampledFrame) -> None:
        found, step_s = self.found, self._spec.stride * self._spec.period_s
        after_s = window.media.start - origin.pts_s
        error_s = abs(after_s - round(after_s / step_s) * step_s)
        found.media_error_s = max(found.media_error_s, error_s)
        utc_error_s = abs(window.window.start - (origin.captured_at + after_s))
        found.utc_error_s = max(found.utc_error_s, utc_error_s)
        # A window that ends in a hole comes together with others: only the last is at hand then.
        if len(self._model.last) == 1:
            same = self._model.compare(self._model.last, window.scores)
            found.equal += same is True
            found.unequal += same is False


def _no_source(
    _settings: StreamSettings, _sampling: Sampling, _frame: OnFrame, _status: OnStatus
) -> Source:
    raise AssertionError("frames come from the day itself")


def load_pictures(bundle: Bundle, limit: int | None = None) -> list[NDArray[np.uint8]]:
    """Read the demo clip as the model sees it.

    Args:
        bundle: The model.
        limit: Greatest number of frames.
    """
    return [frame.image for frame in islice(read_frames(DEMO_CLIP, bundle.input.sampling), limit)]


def memory_mb() -> float:
    """Memory that this process holds now."""
    return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def run_day(name: str, day: Day, ticks: Iterator[Tick], hours: float) -> bool:
    """Let a day pass and print how it went.

    Args:
        name: Of the day.
        day: A stream.
        ticks: Frames of the camera.
        hours: How long.

    Returns:
        Whether all was well.
    """
    started = time.monotonic()
    total, minute = round(hours * 3600 * day.camera_fps), round(60 * day.camera_fps)
    day.live(islice(ticks, minute))  # a minute until every cache is warm
    held = [memory_mb()]
    table = Table("of the day", "sampled frames", "windows", "memory", title=name)
    for quarter in range(_REPORTS + 1):
        if quarter:
            day.live(islice(ticks, total // _REPORTS))
            held.append(memory_mb())
        cells = (f"{day.found.frames:,}", f"{day.ledger.windows:,}", f"{held[-1]:.1f} MB")
        table.add_row(f"{quarter / _REPORTS:.0%}", *cells)
    day.live(ticks)
    day.end()
    Console().print(table)
    print(report(day, held[-1] - held[0], time.monotonic() - started))
    return not problems(day) and held[-1] - held[0] <= _MAX_GROWTH_MB


def problems(day: Day) -> list[str]:
    """Name what went wrong on a day that has ended."""
    ledger, found = day.ledger, day.found
    wrong = {
        "windows with other scores than before": found.unequal,
        "misnumbered messages": ledger.misnumbered,
        "wrong ends of events": ledger.wrong_ends,
        "events without end": len(ledger.open),
        "windows off their grid": max(found.media_error_s, found.utc_error_s) > _MAX_ERROR_S,
        "days without an event": not ledger.events,
        "days without a window to compare": not found.equal,
    }
    return [f"{count:d} {what}" for what, count in wrong.items() if count]


def report(day: Day, growth_mb: float, seconds: float) -> str:
    """Say in words what a day showed."""
    ledger, found = day.ledger, day.found
    return "\n".join(
        [
            f"{found.runs:,} runs, {ledger.events:,} events, all but {len(ledger.open)} ended",
            f"{found.equal:,} of {ledger.windows:,} windows show the loop alone: "
            f"{found.unequal} of them differ from their scores before the day",
            f"farthest from the grid: {found.media_error_s * 1e6:.3f} us of media time, "
            f"{found.utc_error_s * 1e6:.3f} us of UTC",
            f"memory grew by {growth_mb:.1f} MB; took {seconds / 60:.1f} min; "
            f"problems: {', '.join(problems(day)) or 'none'}\n",
        ]
    )


def main() -> int:
    """Run both days, or the one that is named; fails if one of them was not well."""
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 24.0
    bundle = open_bundle(Settings().model)
    pictures = load_pictures(bundle)
    model = LoopModel(bundle, pictures)
    print(f"{bundle.model_id}; a loop of {len(pictures)} frames; {hours:g} h")
    days = {"smooth": smooth_day, "rough": rough_day}
    well = [
        run_day(
            f"a {name} day", day := Day(model, pictures), days[name](hours, day.camera_fps), hours
        )
        for name in sys.argv[2:] or days
    ]
    print(f"{model.encoded:,} frames truly encoded, {model.differing} of the loop's differ")
    return int(not all(well) or model.differing > 0)


if __name__ == "__main__":
    sys.exit(main())

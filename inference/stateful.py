"""Running a model that carries its past as a state: a frame and the state in, both new ones out.

Every new frame of a stream is scored, by a network run whose cost does not depend on the length of
the past. The state is bounded: buffers of the last pictures, and means that forget.

What a score speaks of is said honestly: the span from the start of the run, until the run is as
long as the bundle's window (the horizon of the means), and the last window after that. Older frames
fade exponentially; about two thirds of the weight lie inside the window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BundleError
from contracts.types import SampledFrame
from inference.bundle import Bundle
from inference.runtime import REFUSALS, open_session
from inference.windows import Run, ScoredWindow, WindowSpec

NEXT = "next."
"""Before the name of a state tensor, the name of its successor among the graph's outputs."""

State = list[NDArray[np.float32]]


class StreamRun:
    """What a stateful model must remember of one stream."""

    def __init__(self, spec: WindowSpec) -> None:
        """Start without a past."""
        self.spec = spec
        self.run = Run(spec.period_s)
        self.state: State | None = None
        self._image: NDArray[np.uint8] | None = None
        self._filled: list[bool] = []

    @property
    def lead(self) -> int:
        """Frames that a stream without a past needs for its first window."""
        return 1

    def reset(self) -> None:
        """Forget the past: the next frame starts afresh."""
        self.run.forget()

    def steps(self, frame: SampledFrame) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Say which pictures the network must see for a frame.

        A place that the video skipped repeats its predecessor and counts as missing. A hole as
        long as a window leaves nothing to go on with.

        Args:
            frame: The next frame.

        Yields:
            Place on the grid, and the picture.
        """
        hole = frame.index - self.run.last - 1
        if not self.run.continues(frame) or hole >= self.spec.frames:
            self.run.begin(frame)
            self.state = None
            self._filled.clear()
            hole = 0
        for place in range(frame.index - hole, frame.index):
            assert self._image is not None
            yield place, self._image
        yield frame.index, frame.image
        self._image = frame.image

    def window_at(self, place: int, frame: SampledFrame) -> tuple[int, int] | None:
        """Note that the network has seen a place.

        Args:
            place: On the grid.
            frame: The frame that the place was seen for.

        Returns:
            Places of the window that ends there filled by frames of their own, and others; ``None``
            if no window ends there, or too little of it is filled.
        """
        self.run.last = place
        self._filled.append(place == frame.index)
        del self._filled[: -self.spec.frames]
        used, places = sum(self._filled), len(self._filled)
        if (place + 1) % self.spec.stride or used < self.spec.min_filled * places:
            return None
        return used, places - used


class StatefulRuntime:
    """An `ActionModel` whose graph hands its state on. One thread at a time for one stream."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Load the graph and run it once, so that the first real frame is not slow.

        Args:
            bundle: A verified bundle.
            threads: Threads for one operation; one is best when many streams share the cores.

        Raises:
            BundleError: ONNX Runtime refuses the graph, or it does not fit ``bundle.json``.
        """
        self._bundle = bundle
        self._step = open_session(bundle.graphs["step"], threads)
        state = [entry for entry in self._step.get_inputs() if entry.name != "frame"]
        self._names = [entry.name for entry in state]
        self._start: State = []
        self._check([tuple(entry.shape[1:]) for entry in state])

    @property
    def bundle(self) -> Bundle:
        """The bundle that is run."""
        return self._bundle

    def new_stream(self, spec: WindowSpec) -> StreamRun:
        """Make the memory of a stream that begins.

        Args:
            spec: Shape of the windows.
        """
        return StreamRun(spec)

    def advance(
        self, batch: Sequence[tuple[StreamRun, SampledFrame]]
    ) -> list[tuple[StreamRun, ScoredWindow]]:
        """Let a batch of frames pass, one frame of every stream at a time.

        Args:
            batch: Frames with the memories of their streams, each stream's frames in order.

        Returns:
            The windows with the memories of their streams, each stream's in order.
        """
        scored: list[tuple[StreamRun, ScoredWindow]] = []
        for turn in zip_longest(*map(_all_steps, _by_stream(batch))):
            present = [step for step in turn if step is not None]
            images = np.stack([image for _, _, _, image in present])
            scores = self._run(images, [stream for stream, _, _, _ in present])
            for (stream, frame, place, _), row in zip(present, scores, strict=True):
                counts = stream.window_at(place, frame)
                if counts is not None:
                    scored.append((stream, _window(stream, frame, row, counts)))
        return scored

    def _run(self, images: NDArray[np.uint8], streams: list[StreamRun]) -> NDArray[np.float32]:
        """Score one frame of each stream (N, H, W, 3) and hand their states on."""
        states = [self._start if stream.state is None else stream.state for stream in streams]
        feed = dict(zip(self._names, map(_joined, zip(*states, strict=True)), strict=True))
        wanted = ["scores", *(NEXT + name for name in self._names)]
        scores, *after = self._step.run(wanted, {"frame": images, **feed})
        for place, stream in enumerate(streams):
            stream.state = [_row(tensor, place) for tensor in after]
        rows: NDArray[np.float32] = scores
        return rows

    def _check(self, shapes: list[tuple[int, ...]]) -> None:
        """Prepare the state of a stream without a past, and try it."""
        shape, path = self._bundle.input, self._bundle.path
        blank = np.zeros((1, shape.height, shape.width, 3), np.uint8)
        try:
            self._start = [np.zeros((1, *size), np.float32) for size in shapes]
            found = self._run(blank, [self.new_stream(WindowSpec(1, 1, 1 / shape.fps))]).shape[1]
        except REFUSALS as exc:
            raise BundleError(f"The graph in {path} cannot be run: {exc}") from exc
        if found != len(self._bundle.labels):
            raise BundleError(
                f"The graph in {path} gives {found} scores for {len(self._bundle.labels)} labels."
            )


_Step = tuple[StreamRun, SampledFrame, int, NDArray[np.uint8]]


def _by_stream(
    batch: Sequence[tuple[StreamRun, SampledFrame]],
) -> list[list[tuple[StreamRun, SampledFrame]]]:
    lanes: dict[int, list[tuple[StreamRun, SampledFrame]]] = {}
    for stream, frame in batch:
        lanes.setdefault(id(stream), []).append((stream, frame))
    return list(lanes.values())


def _all_steps(lane: list[tuple[StreamRun, SampledFrame]]) -> Iterator[_Step]:
    """Steps of one stream; each asked for once the one before has been run."""
    for stream, frame in lane:
        for place, image in stream.steps(frame):
            yield stream, frame, place, image


def _joined(rows: tuple[NDArray[np.float32], ...]) -> NDArray[np.float32]:
    return rows[0] if len(rows) == 1 else np.concatenate(rows)


def _row(tensor: NDArray[np.float32], place: int) -> NDArray[np.float32]:
    """One stream's part, without a hold on the others' memory."""
    return tensor if len(tensor) == 1 else tensor[place : place + 1].copy()


def _window(
    stream: StreamRun, frame: SampledFrame, scores: NDArray[np.float32], counts: tuple[int, int]
) -> ScoredWindow:
    used, missing = counts
    window, media = stream.run.spans(stream.run.last, used + missing, frame)
    return ScoredWindow(scores, window, media, used, missing, frame)

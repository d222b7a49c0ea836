"""Running a bundle with ONNX Runtime: what the engine asks of a model, and sliding windows.

A model decides itself what it remembers of a stream. `Runtime` and `ClipRuntime` keep features or
pictures in a ring and score windows of them; `inference.stateful` keeps a state instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

# pylint: disable-next=no-name-in-module  # a compiled module, which pylint cannot look into
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    RuntimeException,
)

# pylint: disable-next=no-name-in-module  # as above
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as OrtNotImplemented

from contracts.errors import BundleError
from contracts.types import SampledFrame
from inference.bundle import Bundle
from inference.windows import ScoredWindow, StreamWindows, WindowSpec

# Bounds the memory of a long offline call; live batches are far smaller.
_MAX_FRAMES_PER_RUN = 64

# ONNX Runtime's errors have no base class of their own.
ORT_ERRORS: tuple[type[Exception], ...] = (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    OrtNotImplemented,
    RuntimeException,
)


# What is raised, besides, where names or shapes of a graph are not those that we give it.
REFUSALS: tuple[type[Exception], ...] = (ValueError, TypeError, *ORT_ERRORS)


class StreamMemory(Protocol):
    """What a model must remember of one stream; bounded, however long the stream."""

    @property
    def lead(self) -> int:
        """Frames that a stream without a past needs for its first window."""

    def reset(self) -> None:
        """Forget the past: the next frame starts afresh."""


class ActionModel(Protocol):
    """What the engine needs of a model, whichever library runs it."""

    @property
    def bundle(self) -> Bundle:
        """The bundle that is run."""

    def new_stream(self, spec: WindowSpec) -> StreamMemory:
        """Make the memory of a stream that begins.

        Args:
            spec: Shape of the windows.
        """

    def advance(
        self, batch: Sequence[tuple[Any, SampledFrame]]
    ) -> Sequence[tuple[Any, ScoredWindow]]:
        """Take frames of several streams, and score the windows that they complete.

        Args:
            batch: Frames with the memories of their streams, as `new_stream` made them; each
                stream's frames in order.

        Returns:
            The windows with the memories of their streams, each stream's in order.
        """


class _SlidingWindows(ABC):
    """An `ActionModel` that keeps something of every frame in a ring and scores windows of it.

    Attributes:
        KEEPS_FEATURES: Whether what the ring keeps are features, which others may learn from.
    """

    KEEPS_FEATURES: ClassVar[bool] = False

    def new_stream(self, spec: WindowSpec) -> StreamWindows:
        """Make the memory of a stream that begins.

        Args:
            spec: Shape of the windows.
        """
        return StreamWindows(spec)

    def advance(
        self, batch: Sequence[tuple[StreamWindows, SampledFrame]]
    ) -> list[tuple[StreamWindows, ScoredWindow]]:
        """Encode a batch of frames and score every window that they complete.

        Args:
            batch: Frames with the memories of their streams, each stream's frames in order.

        Returns:
            The windows with the memories of their streams, in the order of the frames.
        """
        previous = np.stack([stream.pair(frame) for stream, frame in batch])
        images = np.stack([frame.image for _, frame in batch])
        kept = self.encode(images, previous)
        ready = [
            (stream, window)
            for (stream, frame), feature in zip(batch, kept, strict=True)
            for window in stream.ring.push(frame, feature)
        ]
        if not ready:
            return []
        scores = self.score(np.stack([window.features for _, window in ready]))
        return [
            (
                stream,
                ScoredWindow(
                    scores=row,
                    window=window.window,
                    media=window.media,
                    used=window.used,
                    missing=len(window.features) - window.used,
                    newest=window.newest,
                    features=window.features if self.KEEPS_FEATURES else None,
                ),
            )
            for (stream, window), row in zip(ready, scores, strict=True)
        ]

    @abstractmethod
    def encode(self, frames: NDArray[np.uint8], previous: NDArray[np.uint8]) -> NDArray[Any]:
        """Turn frames (N, H, W, 3) and the frames before them into what the ring keeps, (N, ...).

        Args:
            frames: uint8 RGB in the size of the bundle's input.
            previous: Same shape; each frame itself where a run begins.
        """

    @abstractmethod
    def score(self, windows: NDArray[Any]) -> NDArray[np.float32]:
        """Turn windows of what the ring keeps, (B, T, ...), into scores (B, C).

        Args:
            windows: Oldest frame first.
        """


class Runtime(_SlidingWindows):
    """The default architecture: an encoder per frame, and a head over windows of its features.

    Both calls release the GIL and may come from several threads at once.
    """

    KEEPS_FEATURES = True

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Load both graphs and run each once, so that the first real frame is not slow.

        Args:
            bundle: A verified bundle.
            threads: Threads for one operation; one is best when many streams share the cores.

        Raises:
            BundleError: ONNX Runtime refuses a graph, or a graph does not fit ``bundle.json``.
        """
        self._bundle = bundle
        self._encoder = open_session(bundle.encoder, threads)
        self._head = open_session(bundle.head, threads)
        self._warm_up()

    @property
    def bundle(self) -> Bundle:
        """The bundle that is run."""
        return self._bundle

    def encode(self, frames: NDArray[np.uint8], previous: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn frames into features.

        Args:
            frames: (N, H, W, 3) uint8 RGB in the size of the bundle's input.
            previous: Same shape: for each frame the sampled frame before it in its stream, or the
                frame itself where there is none.

        Returns:
            (N, D) float32.

        Raises:
            ValueError: The shapes are not those of the model.
        """
        wanted = (self._bundle.input.height, self._bundle.input.width, 3)
        if frames.shape[1:] != wanted or previous.shape != frames.shape:
            raise ValueError(
                f"frames {frames.shape}, previous {previous.shape}: not (N, *{wanted})"
            )
        if frames.shape[0] == 0:
            return np.zeros((0, self._bundle.features), np.float32)
        parts = []
        for start in range(0, len(frames), _MAX_FRAMES_PER_RUN):
            part = slice(start, start + _MAX_FRAMES_PER_RUN)
            feed = {"frame": frames[part], "previous": previous[part]}
            parts.append(self._encoder.run(["features"], feed)[0])
        return np.concatenate(parts)

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn windows of features into scores.

        Args:
            windows: (B, T, D) float32: the features of the bundle's ``input.frames`` frames, oldest
                first.

        Returns:
            (B, C) float32 in the order of the bundle's labels; each row sums to one.

        Raises:
            ValueError: The shape is not that of the model.
        """
        wanted = (self._bundle.input.frames, self._bundle.features)
        if windows.shape[1:] != wanted:
            raise ValueError(f"windows {windows.shape}: not (B, *{wanted})")
        if windows.shape[0] == 0:
            return np.zeros((0, len(self._bundle.labels)), np.float32)
        scores: NDArray[np.float32] = self._head.run(["scores"], {"features": windows})[0]
        return scores

    def _warm_up(self) -> None:
        shape, path = self._bundle.input, self._bundle.path
        frame = np.zeros((1, shape.height, shape.width, 3), np.uint8)
        try:
            features = self.encode(frame, frame)
            if features.shape[1] != self._bundle.features:
                raise BundleError(f"The encoder in {path} gives {features.shape[1]} features.")
            scores = self.score(np.repeat(features[:, np.newaxis], shape.frames, axis=1))
        except ORT_ERRORS as exc:
            raise BundleError(f"The graphs in {path} cannot be run: {exc}") from exc
        if scores.shape[1] != len(self._bundle.labels):
            raise BundleError(
                f"The head in {path} gives {scores.shape[1]} scores for "
                f"{len(self._bundle.labels)} labels."
            )


class ClipRuntime(_SlidingWindows):
    """A model of whole clips: the ring keeps the pictures, and every window is computed anew."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Load the graph and run it once, so that the first real window is not slow.

        Args:
            bundle: A verified bundle.
            threads: Threads for one operation.

        Raises:
            BundleError: ONNX Runtime refuses the graph, or it does not fit ``bundle.json``.
        """
        self._bundle = bundle
        self._clip = open_session(bundle.graphs["clip"], threads)
        shape = bundle.input
        blank = np.zeros((1, shape.frames, shape.height, shape.width, 3), np.uint8)
        try:
            found = self.score(blank).shape[1]
        except REFUSALS as exc:
            raise BundleError(f"The graph in {bundle.path} cannot be run: {exc}") from exc
        if found != len(bundle.labels):
            raise BundleError(
                f"The graph in {bundle.path} gives {found} scores for {len(bundle.labels)} labels."
            )

    @property
    def bundle(self) -> Bundle:
        """The bundle that is run."""
        return self._bundle

    def encode(self, frames: NDArray[np.uint8], previous: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the frames: they are what the ring keeps.

        Args:
            frames: (N, H, W, 3) uint8 RGB.
            previous: Not looked at.
        """
        del previous
        return frames

    def score(self, windows: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn windows of frames into scores, one after another: a clip needs much memory.

        Args:
            windows: (B, T, H, W, 3) uint8 RGB, oldest frame first.

        Returns:
            (B, C) float32 in the order of the bundle's labels; each row sums to one.
        """
        rows = [self._clip.run(["scores"], {"clip": window[np.newaxis]})[0] for window in windows]
        return np.concatenate(rows)


def open_session(path: Path, threads: int) -> ort.InferenceSession:
    """Load a graph for the CPU.

    Args:
        path: An ONNX file.
        threads: Threads for one operation.

    Raises:
        BundleError: ONNX Runtime refuses it.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle threads would burn the cores that decode the other streams.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as exc:
        raise BundleError(f"ONNX Runtime cannot load {path}: {exc}") from exc

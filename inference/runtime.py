"""Running a bundle with ONNX Runtime: frames to features, windows of features to scores."""

from __future__ import annotations

from typing import Protocol

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
from inference.bundle import Bundle

# Bounds the memory of a long offline call; live batches are far smaller.
_MAX_FRAMES_PER_RUN = 64

# ONNX Runtime's errors have no base class of their own.
_ORT_ERRORS: tuple[type[Exception], ...] = (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    OrtNotImplemented,
    RuntimeException,
)


class ActionModel(Protocol):
    """What the engine needs of a model, whichever library runs it."""

    @property
    def bundle(self) -> Bundle:
        """The bundle that is run."""

    def encode(self, frames: NDArray[np.uint8], previous: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn frames (N, H, W, 3) and the frames before them into features (N, D)."""

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn windows of features (B, T, D) into scores (B, C) that sum to one."""


class Runtime:
    """An `ActionModel` on ONNX Runtime's CPU provider.

    Both calls release the GIL and may come from several threads at once.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Load both graphs and run each once, so that the first real frame is not slow.

        Args:
            bundle: A verified bundle.
            threads: Threads for one operation; one is best when many streams share the cores.

        Raises:
            BundleError: ONNX Runtime refuses a graph, or a graph does not fit ``bundle.json``.
        """
        self._bundle = bundle
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Idle threads would burn the cores that decode the other streams.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._encoder = _open(str(bundle.encoder), options)
        self._head = _open(str(bundle.head), options)
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
        except _ORT_ERRORS as exc:
            raise BundleError(f"The graphs in {path} cannot be run: {exc}") from exc
        if scores.shape[1] != len(self._bundle.labels):
            raise BundleError(
                f"The head in {path} gives {scores.shape[1]} scores for "
                f"{len(self._bundle.labels)} labels."
            )


def _open(path: str, options: ort.SessionOptions) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except _ORT_ERRORS as exc:
        raise BundleError(f"ONNX Runtime cannot load {path}: {exc}") from exc

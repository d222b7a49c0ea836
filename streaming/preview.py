"""The newest picture of a stream, as a JPEG for whoever asks."""

from __future__ import annotations

import threading

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from contracts.types import Picture
from streaming.reader import quarter_turns

_JPEG_QUALITY = 80
_SMALL_QUALITY = 70
"""Of pictures that are kept by the thousand; a fifth smaller."""
_MIN_WIDTH = 16
_MAX_WIDTH = 3840


class Preview:
    """Keeps one decoded frame; converts it only when asked. Thread-safe."""

    def __init__(self) -> None:
        """Start without a picture."""
        self._newest: tuple[av.VideoFrame, float] | None = None
        self._lock = threading.Lock()
        self._reformatter = VideoReformatter()

    def put(self, frame: av.VideoFrame, captured_at: float) -> None:
        """Replace the newest frame.

        Args:
            frame: As decoded.
            captured_at: UTC seconds of its capture.
        """
        self._newest = frame, captured_at

    def clear(self) -> None:
        """Forget the picture."""
        self._newest = None

    def jpeg(self, width: int) -> bytes | None:
        """Encode the newest frame.

        Args:
            width: Width in pixels, at most the picture's own; the height follows.

        Returns:
            A JPEG file, or ``None`` if there is no picture.
        """
        newest = self._newest
        return None if newest is None else self._encode(newest[0], width, _JPEG_QUALITY)

    def picture(self, width: int, after: float | None = None) -> Picture | None:
        """Encode the newest frame to be kept, with the time of its capture.

        Args:
            width: Width in pixels, at most the picture's own; the height follows.
            after: UTC seconds of the picture that the caller has.

        Returns:
            The picture, or ``None`` if there is none, or none but the one that the caller has.
        """
        newest = self._newest
        if newest is None or newest[1] == after:
            return None
        data = self._encode(newest[0], width, _SMALL_QUALITY)
        return None if data is None else Picture(newest[1], data)

    def _encode(self, frame: av.VideoFrame, width: int, quality: int) -> bytes | None:
        turns = quarter_turns(frame)
        lying = turns % 2 == 1
        own_width, own_height = (
            (frame.height, frame.width) if lying else (frame.width, frame.height)
        )
        width = max(_MIN_WIDTH, min(width, own_width, _MAX_WIDTH))
        height = max(1, round(width * own_height / own_width))
        with self._lock:
            small = self._reformatter.reformat(
                frame,
                width=height if lying else width,
                height=width if lying else height,
                format="bgr24",
                interpolation=Interpolation.AREA,
                threads=1,
            ).to_ndarray()
        upright = np.ascontiguousarray(np.rot90(small, turns), dtype=np.uint8)
        done, data = cv2.imencode(".jpg", upright, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return data.tobytes() if done else None

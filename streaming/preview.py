"""The newest picture of a stream, as a JPEG for whoever asks."""

from __future__ import annotations

import threading

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from streaming.reader import quarter_turns

_JPEG_QUALITY = 80
_MIN_WIDTH = 16
_MAX_WIDTH = 3840


class Preview:
    """Keeps one decoded frame; converts it only when asked. Thread-safe."""

    def __init__(self) -> None:
        """Start without a picture."""
        self._frame: av.VideoFrame | None = None
        self._lock = threading.Lock()
        self._reformatter = VideoReformatter()

    def put(self, frame: av.VideoFrame) -> None:
        """Replace the newest frame."""
        self._frame = frame

    def clear(self) -> None:
        """Forget the picture."""
        self._frame = None

    def jpeg(self, width: int) -> bytes | None:
        """Encode the newest frame.

        Args:
            width: Width in pixels, at most the picture's own; the height follows.

        Returns:
            A JPEG file, or ``None`` if there is no picture.
        """
        frame = self._frame
        if frame is None:
            return None
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
        done, data = cv2.imencode(".jpg", upright, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        return data.tobytes() if done else None

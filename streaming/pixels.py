"""The one conversion of decoded video frames to the small RGB pictures a model sees.

Live analysis, files, training and evaluation all go through it, so they all see the same pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray


@dataclass(slots=True)
class FrameScaler:
    """Shrinks decoded frames to one small RGB size.

    The whole picture is stretched to the size, without bars: bars would differ between cameras and
    tell the model where a video came from. Area averaging, because skipped pixels would make the
    frame difference flicker. One instance per stream and thread: it keeps the conversion tables of
    the last frame shape, and follows when the shape changes in mid-stream.

    Attributes:
        width: Width of every picture returned, in pixels.
        height: Height of every picture returned, in pixels.
    """

    width: int
    height: int
    _reformatter: VideoReformatter = field(init=False, default_factory=VideoReformatter)

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Convert one frame.

        Args:
            frame: A decoded frame of any size and pixel format.

        Returns:
            (height, width, 3) uint8 RGB, contiguous, owned by the caller.
        """
        small = self._reformatter.reformat(
            frame,
            width=self.width,
            height=self.height,
            format="rgb24",
            interpolation=Interpolation.AREA,
            threads=1,
        )
        return np.array(small.to_ndarray(), dtype=np.uint8, order="C", copy=True)

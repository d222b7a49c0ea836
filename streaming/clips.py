"""A video file made of small pictures, for people to look at."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.errors import NotAVideoError
from contracts.types import Picture

_TICKS: Final = 1000
_CODING: Final = {"crf": "23", "preset": "veryfast", "bf": "0"}


def join_pictures(pictures: Sequence[Picture]) -> bytes:
    """Join JPEG pictures into an H.264 MP4 file that browsers play.

    Args:
        pictures: Oldest first; each is shown until the next one's time. Where the size changes, the
            first one's holds.

    Returns:
        The file.

    Raises:
        NotAVideoError: There is no picture, or one cannot be decoded.
    """
    if not pictures:
        raise NotAVideoError("There is no picture to make a clip of.")
    images = [_decode(picture) for picture in pictures]
    # 4:2:0 has no half chroma samples.
    height, width = (side - side % 2 for side in images[0].shape[:2])
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=2, options=dict(_CODING))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, _TICKS)
        for image, picture in zip(images, pictures, strict=True):
            shown = (
                cv2.resize(image, (width, height)) if image.shape[:2] != (height, width) else image
            )
            frame = av.VideoFrame.from_ndarray(np.asarray(shown, np.uint8), format="bgr24")
            frame.pts = round((picture.at - pictures[0].at) * _TICKS)
            frame.time_base = Fraction(1, _TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _decode(picture: Picture) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise NotAVideoError("A kept picture is no JPEG.")
    return np.asarray(image, np.uint8)

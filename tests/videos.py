"""Small videos for tests, made on the spot."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stack.broadcast import DEMO_CLIP


def cut(folder: Path, seconds: float, name: str = "clip.mp4") -> Path:
    """The first seconds of the demo clip, not encoded anew."""
    path = folder / name
    with av.open(str(DEMO_CLIP)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.pts is None or packet.time_base is None:
                continue
            if packet.pts * packet.time_base >= seconds:
                break
            packet.stream = copy
            target.mux(packet)
    return path


def blank(path: Path, seconds: float, size: tuple[int, int] = (64, 48), fps: int = 10) -> Path:
    """A grey H.264 video; the suffix says the format."""
    width, height = size
    picture = np.full((height, width, 3), 90, np.uint8)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return path

"""Clips as a camera's stream brings them: enlarged, and coded as H.264."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter

from contracts.errors import SourceNotFoundError
from streaming.inputs import open_video, resolve
from streaming.reader import VideoReader
from training.samples import FrameCache, Frames, decode_video

_SIZE = (640, 360)
_QUALITY = "28"  # x264's constant rate factor: its default is 23, and lower is better


class StreamedFrames(FrameCache):
    """A cache whose videos were enlarged to 640x360 and coded as H.264 before they were decoded."""

    def video(self, path: Path) -> Frames:
        """Return all frames of a video file as a camera's stream would bring them.

        Args:
            path: A video file.

        Returns:
            Frames (F, H, W, 3) uint8 RGB and times (F,) in seconds from 0.

        Raises:
            SourceNotFoundError: No such file.
            NotAVideoError: It holds no decodable video.
        """

        def make() -> Frames:
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / "copy.mp4"
                recode(path, copy)
                return decode_video(copy, self.width, self.height)

        try:
            changed = path.stat().st_mtime_ns
        except OSError as exc:
            raise SourceNotFoundError(f"No video {path}.") from exc
        return self.get(f"h264|{_SIZE}|{_QUALITY}|{path.resolve()}|{changed}", make)


def recode(path: Path, copy: Path) -> None:
    """Write a video enlarged to 640x360 and coded as live encoders do: H.264 without B-frames.

    Args:
        path: A video file.
        copy: The file to write; its suffix names the container.

    Raises:
        SourceNotFoundError: No such file.
        NotAVideoError: It holds no decodable video.
    """
    enlarge = VideoReformatter()
    with open_video(resolve(str(path))[0]) as (source, stream), av.open(str(copy), "w") as target:
        rate = stream.average_rate or Fraction(25)
        options = {"crf": _QUALITY, "preset": "veryfast", "tune": "zerolatency"}
        output = target.add_stream("libx264", rate=rate, options=options)
        output.width, output.height = _SIZE
        output.pix_fmt = "yuv420p"
        for number, decoded in enumerate(VideoReader(source, stream).frames()):
            large = enlarge.reformat(decoded.frame, *_SIZE, format="yuv420p")
            large.pts, large.time_base = number, 1 / rate
            target.mux(output.encode(large))
        target.mux(output.encode(None))

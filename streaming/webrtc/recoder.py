"""VP8 to H.264, for browsers that have no encoder of H.264."""

from __future__ import annotations

from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext

from contracts.errors import NotAVideoError
from streaming.webrtc.options import VIDEO_CLOCK_HZ

_TICK = Fraction(1, VIDEO_CLOCK_HZ)
_MAX_PIXELS = 3840 * 2160
_KEY_EVERY = 60
_OPTIONS = {
    "preset": "veryfast",
    "tune": "zerolatency",
    "crf": "23",
    "maxrate": "4M",
    "bufsize": "2M",
}


class Recoder:
    """Codes the pictures of one track again, one in, one out. For one thread at a time."""

    def __init__(self) -> None:
        """Prepare the decoder."""
        self._decoder = av.CodecContext.create("vp8", "r")
        self._decoder.thread_count = 1
        self._encoder: VideoCodecContext | None = None

    def recode(self, data: bytes, rtp_time: int) -> list[tuple[bytes, int]]:
        """Code one picture again.

        Args:
            data: VP8.
            rtp_time: In units of 1/90000 s, unwrapped.

        Returns:
            The pictures in H.264 (Annex B) with their RTP times; none while the decoder lacks an
            earlier one.

        Raises:
            NotAVideoError: The picture is larger than any camera's.
        """
        packet = av.Packet(data)
        packet.pts, packet.time_base = rtp_time, _TICK
        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError:
            return []
        return [coded for frame in frames for coded in self._encode(frame, rtp_time)]

    def _encode(self, frame: av.VideoFrame, rtp_time: int) -> list[tuple[bytes, int]]:
        if frame.width * frame.height > _MAX_PIXELS:
            raise NotAVideoError(f"Pictures of {frame.width}x{frame.height} are too large.")
        size = (frame.width // 2 * 2, frame.height // 2 * 2)
        encoder = self._encoder
        if encoder is None or (encoder.width, encoder.height) != size:
            encoder = self._encoder = _encoder(size)
        frame = frame.reformat(size[0], size[1], "yuv420p")
        frame.pts, frame.time_base = rtp_time, _TICK
        return [(bytes(packet), packet.pts or rtp_time) for packet in encoder.encode(frame)]


def _encoder(size: tuple[int, int]) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = _TICK
    encoder.framerate = Fraction(30)
    encoder.gop_size = _KEY_EVERY
    encoder.thread_count = 1
    encoder.options = _OPTIONS
    encoder.profile = "Baseline"
    return encoder

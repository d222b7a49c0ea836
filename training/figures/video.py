"""Writing drawn video: H.264 that every player and RTSP client takes, truth beside it as JSON."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from contracts.types import Annotation
from training.figures.camera import Frame
from training.figures.choreography import LABELS, NONE_LABEL

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Coding:
    """How to encode.

    Attributes:
        size: Width and height in pixels, both even.
        fps: Frames per second.
        crf: x264 quality, lower is better.
    """

    size: tuple[int, int]
    fps: float
    crf: int = 24


def write_video(path: Path, frames: Iterable[Frame], coding: Coding) -> int:
    """Write an MP4 file: H.264 baseline without B-frames, a keyframe each second, fast start.

    One encoder thread, so that the same frames always give the same bytes.

    Args:
        path: The file; its folder exists.
        frames: (H, W, 3) uint8 RGB each.
        coding: How.

    Returns:
        The number of frames written.
    """
    rate = Fraction(coding.fps).limit_denominator(1001)
    options = {
        "profile": "baseline",
        "preset": "slow",
        "crf": str(coding.crf),
        "g": str(max(1, round(coding.fps))),
        "bf": "0",
        "threads": "1",
    }
    count = 0
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as out:
        stream = out.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height = coding.size
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            count += 1
        out.mux(stream.encode())
    return count


def truth(
    video: str, duration_s: float, coding: Coding, annotations: Iterable[Annotation]
) -> dict[str, Any]:
    """The annotation document of one video, in the manner of ActivityNet.

    Args:
        video: File name of the video.
        duration_s: Its duration in seconds.
        coding: Its size and frame rate.
        annotations: What happens in it; the rest of the time is `none`.

    Returns:
        A JSON object.
    """
    return {
        "schema": SCHEMA,
        "video": video,
        "duration": round(duration_s, 6),
        "fps": coding.fps,
        "resolution": f"{coding.size[0]}x{coding.size[1]}",
        "labels": [label for label in LABELS if label != NONE_LABEL],
        "annotations": [
            {"label": item.label, "segment": [item.start_s, item.end_s]} for item in annotations
        ],
    }


def write_json(path: Path, document: dict[str, Any], made_by: str) -> None:
    """Write a document with the command that made it.

    Args:
        path: The file.
        document: A JSON object.
        made_by: A command line to repeat.
    """
    text = json.dumps({**document, "made_by": made_by}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")

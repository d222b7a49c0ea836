"""Small files after the published formats, and the fuzz of text parsers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from hypothesis import strategies as st

from contracts.errors import ConfigError
from training.datasets.dataset import Dataset

PIECES = st.sampled_from(
    [
        *("person01_boxing_d1", "frames", "1-95", ",", "video_test_0000004", "0.5", "7.25", "-1"),
        *("nan", "inf", "1e999", "00:01:02.500", "99:99", "\t", " ", "\n", "\r\n", '"', "'", ";"),
        *("video,label,start,end", "a.mp4", "wave", "[1, 2]", "{", "}", "\ufeff", "\x00", "é"),
        *("# CSV_HEADER = metadata_id,file_list,temporal_coordinates,metadata", "\U0001f600"),
        *("Begin Time - hh:mm:ss.ms", "End Time - hh:mm:ss.ms", "Archery/v_Archery_g01_c01.avi"),
        *("label,youtube_id,time_start,time_end,split", "clip,label,source", "train", "null"),
        *("video_id,action_id,action_name,start_frame,end_frame", "00042.jpg", "9" * 5000),
    ]
)
HOSTILE = st.lists(PIECES | st.text(max_size=8), max_size=25).map("".join)
"""Text of pieces that the formats are made of, in no sensible order."""


def read_or_refuse(read: Callable[[], Dataset]) -> None:
    """Whatever is in a file, it is read, or refused with a message of one line."""
    try:
        dataset = read()
    except ConfigError as error:
        assert error.message
        assert "\n" not in error.message
    else:
        assert dataset.videos
        for video in dataset.videos:
            assert all(0 <= span.start_s <= span.end_s for span in video.annotations)


def write_file(path: Path, text: str) -> Path:
    """Write text as it is, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


def write_clip(path: Path, *, frames: int = 10, fps: int = 25) -> Path:
    """Write a grey video of 32x32 pixels that gets brighter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height = 32, 32
        for index in range(frames):
            image = np.full((32, 32, 3), 20 * index % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path

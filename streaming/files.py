"""Whole videos as fast as they can be read: prediction, training and evaluation.

The same sampler, scaler and damage handling as live, so that a file gives the same frames and
indices whether it is read here or streamed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import NotAVideoError
from contracts.types import Clock, SampledFrame, Sampling, VideoInfo
from streaming.inputs import describe, open_video, resolve
from streaming.reader import Shrinker, VideoReader
from streaming.sampler import FrameSampler


def probe(path: str | Path) -> VideoInfo:
    """Say what a video file holds, without decoding it.

    Args:
        path: File, or directory of which the first video is meant.

    Returns:
        Size, frame rate, codec and length.

    Raises:
        SourceNotFoundError: No such file.
        NotAVideoError: Not a video that can be read.
    """
    with open_video(resolve(str(path))[0]) as (container, stream):
        return describe(container, stream)


def read_frames(path: str | Path, sampling: Sampling) -> Iterator[SampledFrame]:
    """Read a file's, or a directory's, sampled frames without waiting.

    Args:
        path: File or directory; the files of a directory come one after another, each as a run of
            its own.
        sampling: Frame rate and size wanted.

    Yields:
        Frames in order; `captured_at` is the moment of reading, since a file knows no other.

    Raises:
        SourceNotFoundError: No such file.
        NotAVideoError: Not a video, or no frame of it can be decoded.
    """
    sampler = FrameSampler(sampling.period_s)
    shrink = Shrinker(sampling)
    for origin in resolve(str(path)):
        empty = True
        with open_video(origin) as (container, stream):
            sampler.restart(describe(container, stream).fps)
            for decoded in VideoReader(container, stream).frames():
                empty = False
                place = sampler.offer(decoded.pts_s, decoded.size)
                if place.index is not None:
                    yield shrink(decoded, place, time.time(), Clock.ARRIVAL)
        if empty:
            raise NotAVideoError(f"No picture of {origin.name} can be decoded.", "Is it damaged?")

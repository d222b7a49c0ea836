"""Whole videos as fast as they can be read: prediction, training and evaluation.

The same sampler, scaler and damage handling as live, so that a file gives the same frames and
indices whether it is read here or streamed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from contracts.errors import NotAVideoError
from contracts.types import Clock, SampledFrame, Sampling, VideoInfo
from streaming.inputs import describe, open_video, resolve
from streaming.reader import DecodedFrame, Shrinker, VideoReader
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
        with open_video(origin) as (container, stream):
            sampler.restart(describe(container, stream).fps)
            decoded = VideoReader(container, stream).frames()
            yield from sampled(at_least_one(decoded, origin.name), sampler, shrink)


def sampled(
    frames: Iterable[DecodedFrame], sampler: FrameSampler, shrink: Shrinker
) -> Iterator[SampledFrame]:
    """Choose and shrink decoded frames, without waiting.

    Args:
        frames: In display order.
        sampler: Chooses.
        shrink: Shrinks.

    Yields:
        What the model sees; `captured_at` is the moment of reading.
    """
    for decoded in frames:
        place = sampler.offer(decoded.pts_s, decoded.size)
        if place.index is not None:
            yield shrink(decoded, place, time.time(), Clock.ARRIVAL)


def at_least_one(frames: Iterable[DecodedFrame], name: str) -> Iterator[DecodedFrame]:
    """Pass frames on.

    Args:
        frames: Decoded frames.
        name: Of the video, for the message.

    Raises:
        NotAVideoError: There is none.
    """
    empty = True
    for frame in frames:
        empty = False
        yield frame
    if empty:
        raise NotAVideoError(f"No picture of {name} can be decoded.", "Is it damaged?")

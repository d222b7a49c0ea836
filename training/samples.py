"""One form for all training and evaluation data: small frames with times and labelled segments."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from contracts.errors import SourceNotFoundError
from contracts.types import Annotation, Clock, SampledFrame, Sampling
from streaming.files import read_frames
from streaming.pixels import FrameScaler
from streaming.sampler import FrameSampler
from training.download import user_cache

_CACHE_VERSION = 1
_EVERY_FRAME_FPS = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One video with what is known about it.

    Attributes:
        key: Names the sample, ``dataset/label/name``; the same on every machine.
        frames: (F, H, W, 3) uint8 RGB: every frame of the video, small; may be memory-mapped.
        times_s: (F,) float64 media times in seconds, ascending from 0.
        segments: Labelled spans in order; a trimmed clip has one that spans it all.
        group: Who or what must not stand on both sides of a split: an actor, a source video.
        source: The dataset.
    """

    key: str
    frames: NDArray[np.uint8]
    times_s: NDArray[np.float64]
    segments: tuple[Annotation, ...]
    group: str
    source: str

    @property
    def duration_s(self) -> float:
        """Length in seconds; the last frame lasts as long as the one before it."""
        if len(self.times_s) < 2:
            return 0.0
        return float(2 * self.times_s[-1] - self.times_s[-2])

    @property
    def label(self) -> str:
        """Label of a trimmed clip.

        Raises:
            ValueError: The sample has several segments.
        """
        (segment,) = self.segments
        return segment.label

    def label_at(self, time_s: float) -> str | None:
        """Return the label of the segment that holds a time, or None between segments."""
        for segment in self.segments:
            if segment.start_s <= time_s < segment.end_s:
                return segment.label
        return None


Frames = tuple[NDArray[np.uint8], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class FrameCache:
    """Small frames of videos on disk, so that each video is decoded once.

    Attributes:
        folder: Where the files lie; made when missing.
        width: Width of the frames in pixels.
        height: Height of the frames in pixels.
    """

    folder: Path
    width: int = 128
    height: int = 96

    def video(self, path: Path) -> Frames:
        """Return all frames of a video file, from the cache if the file is unchanged.

        Args:
            path: A video file.

        Returns:
            Frames (F, H, W, 3) uint8 RGB, memory-mapped, and times (F,) in seconds from 0.

        Raises:
            SourceNotFoundError: No such file.
            NotAVideoError: It holds no decodable video.
        """
        try:
            state = path.stat()
        except OSError as exc:
            raise SourceNotFoundError(f"No video {path}.") from exc
        identity = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}"
        return self.get(identity, lambda: decode_video(path, self.width, self.height))

    def get(self, identity: str, make: Callable[[], Frames]) -> Frames:
        """Return cached frames, made on the first call.

        Args:
            identity: Names the content; another content needs another identity.
            make: Gives frames (F, H, W, 3) and times (F,).

        Returns:
            Frames, memory-mapped and read-only, and times.
        """
        text = f"{_CACHE_VERSION}|{self.width}x{self.height}|{identity}"
        name = hashlib.sha256(text.encode()).hexdigest()[:24]
        stored, times = self.folder / f"{name}.npy", self.folder / f"{name}.times.npy"
        if not (stored.exists() and times.exists()):
            frames, times_s = make()
            self.folder.mkdir(parents=True, exist_ok=True)
            _save(times, times_s)
            _save(stored, frames)
        return np.load(stored, mmap_mode="r"), np.load(times)


def default_cache() -> Path:
    """Return the folder for cached frames: below ``$XDG_CACHE_HOME``, else ``~/.cache``."""
    return user_cache() / "frames"


def decode_video(path: Path, width: int, height: int) -> Frames:
    """Decode every frame of a video file to a small picture.

    Args:
        path: A video file.
        width: Width of the pictures in pixels.
        height: Height of the pictures in pixels.

    Returns:
        Frames (F, H, W, 3) uint8 RGB and times (F,) float64 in seconds from the first frame.

    Raises:
        SourceNotFoundError: No such file.
        NotAVideoError: It holds no decodable video.
    """
    # A grid finer than any video takes every frame.
    taken = list(read_frames(path, Sampling(_EVERY_FRAME_FPS, width, height)))
    times_s = np.asarray([frame.pts_s for frame in taken], np.float64)
    return np.stack([frame.image for frame in taken]), np.maximum.accumulate(times_s) - times_s[0]


def shrink_frames(
    frames: Iterable[NDArray[np.uint8]], width: int, height: int
) -> NDArray[np.uint8]:
    """Shrink pictures by the conversion that decoded frames go through.

    Args:
        frames: Pictures (H, W, 3) uint8 RGB of one size.
        width: Width of the results in pixels.
        height: Height of the results in pixels.

    Returns:
        (F, height, width, 3) uint8 RGB.
    """
    scale = FrameScaler(width, height)
    return np.stack([scale(av.VideoFrame.from_ndarray(frame, format="rgb24")) for frame in frames])


def sample_frames(sample: Sample, sampling: Sampling) -> Iterator[SampledFrame]:
    """Take a sample's frames as the live sampler would from a stream.

    Args:
        sample: The video, in the size that ``sampling`` names.
        sampling: Rate and size.

    Yields:
        The frame for each place of the grid that starts at the first frame.
    """
    sampler = FrameSampler(sampling.period_s)
    size = (sampling.width, sampling.height)
    for image, time_s in zip(sample.frames, sample.times_s, strict=True):
        place = sampler.offer(float(time_s), size)
        if place.index is not None:
            yield SampledFrame(
                image=image,
                index=place.index,
                run=place.run,
                pts_s=place.pts_s,
                captured_at=place.pts_s,
                clock=Clock.ARRIVAL,
                decode_ms=0.0,
                ready_at=time.monotonic(),
            )


def fingerprint(samples: Iterable[Sample]) -> str:
    """Hash the data of a training run.

    Args:
        samples: The samples, in any order.

    Returns:
        SHA-256 in hexadecimal over keys, labels, times and pixels.
    """
    digests = []
    for sample in samples:
        digest = hashlib.sha256(sample.key.encode())
        spans = [(span.label, span.start_s, span.end_s) for span in sample.segments]
        digest.update(repr(spans).encode())
        digest.update(np.ascontiguousarray(sample.times_s).tobytes())
        digest.update(np.ascontiguousarray(sample.frames).tobytes())
        digests.append(digest.hexdigest())
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def _save(path: Path, array: NDArray[np.generic]) -> None:
    """Write an array whole or not at all: two runs may fill one cache."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        np.save(file, array)
    part.replace(path)

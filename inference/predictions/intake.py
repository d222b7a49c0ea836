"""Taking videos in: counted while they come, into files without a name.

A file without a name vanishes with the process that holds it, whatever ends that, so that nothing
is ever left behind. It lies where temporary files lie (``TMPDIR``).
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from inference.predictions.errors import DiskFullError, NoMediaRootError, TooLargeError
from inference.predictions.jobs import Video
from inference.predictions.media_root import open_below
from inference.predictions.service import Places

KEEP_FREE: Final = 256 * 2**20
"""Bytes that uploads leave free on the disk for everybody else."""
_MAX_NAME = 200
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """What one request may bring.

    Attributes:
        max_bytes: Most bytes of video in it.
        keep_free: Bytes that stay free on the disk.
        media_root: Directory below which it may name videos, if any.
    """

    max_bytes: int
    keep_free: int = KEEP_FREE
    media_root: Path | None = None


class Upload:
    """One video on its way in. Written by one thread at a time."""

    def __init__(self, name: str, intake: Intake, *, counted: bool = True) -> None:
        """Open a file without a name.

        Args:
            name: As the client calls it.
            intake: Of the request.
            counted: Whether its bytes are video, which the request may bring so much of.

        Raises:
            DiskFullError: There is no room for a file.
        """
        self.name = tidy_name(name)
        self._intake = intake
        self._counted = counted
        self._hash = hashlib.sha256()
        with _disk():
            # Closed by the intake, or by whoever takes the video over.
            self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115

    def write(self, data: bytes) -> None:
        """Add bytes.

        Args:
            data: Any number.

        Raises:
            TooLargeError: The request brings too many.
            DiskFullError: The disk has no room for them.
        """
        if self._counted:
            self._intake.count(len(data))
        with _disk():
            room = os.fstatvfs(self.file.fileno())
            if room.f_bavail * room.f_frsize - len(data) < self._intake.rules.keep_free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            view = memoryview(data)
            while view:
                view = view[self.file.write(view) :]
        self._hash.update(data)

    def video(self) -> Video:
        """The whole video."""
        self.file.seek(0)
        return Video(self.name, self.file, self._hash.hexdigest())


class Intake:
    """The videos of one request and their places in the queue, until somebody takes them over.

    A context manager: what nobody took is closed and freed at the end.
    """

    def __init__(
        self, places: Places, rules: IntakeRules, retry_s: Callable[[], float] = lambda: 1.0
    ) -> None:
        """Take nothing yet.

        Args:
            places: Of the queue.
            rules: What the request may bring.
            retry_s: When a place may be free again, for those that are refused.
        """
        self.rules = rules
        self._places = places
        self._retry_s = retry_s
        self._reserved = 0
        self._uploads: list[Upload] = []
        self._videos: list[Video] = []
        self._bytes = 0

    def __enter__(self) -> Self:
        """Enter."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close and free what nobody took."""
        for file in (*(one.file for one in self._uploads), *(one.file for one in self._videos)):
            file.close()
        self._places.give_back(self._reserved)
        self._reserved = 0

    def reserve(self, count: int) -> None:
        """Take places until there are so many.

        Args:
            count: Places in all.

        Raises:
            TooManyVideosError: There are never so many.
            QueueFullError: So many are not free now.
        """
        if count > self._reserved:
            self._places.take(self._retry_s(), count - self._reserved, self._reserved)
            self._reserved = count

    def begin(self, name: str) -> Upload:
        """Begin a video; its place must be reserved.

        Raises:
            DiskFullError: There is no room for a file.
        """
        upload = Upload(name, self)
        self._uploads.append(upload)
        return upload

    @property
    def begun(self) -> int:
        """Videos that were begun."""
        return len(self._uploads)

    def count(self, size: int) -> None:
        """Count bytes of video.

        Raises:
            TooLargeError: They are too many.
        """
        self._bytes += size
        if self._bytes > self.rules.max_bytes:
            raise too_large(self.rules.max_bytes)

    def open_file(self, name: str) -> None:
        """Add a video below the media root; its place must be reserved.

        Raises:
            NoMediaRootError: There is no media root.
            ApiError: It cannot be opened; see `open_below`.
            TooLargeError: It is too large.
        """
        if self.rules.media_root is None:
            raise NoMediaRootError(
                "Videos cannot be named by path.", "Set `predictions.media_root`, or send the file."
            )
        file = open_below(self.rules.media_root, name)
        self._videos.append(Video(tidy_name(name), file, f"path:{name}"))
        self.count(os.fstat(file.fileno()).st_size)

    def take(self) -> list[Video]:
        """Hand the videos over; the taker closes them and gives their places back."""
        videos = [*(one.video() for one in self._uploads), *self._videos]
        self._places.give_back(self._reserved - len(videos))
        self._reserved = 0
        self._uploads, self._videos = [], []
        return videos


def too_large(max_bytes: int) -> TooLargeError:
    """Make the error for a request with too many bytes.

    Args:
        max_bytes: Most that are accepted.
    """
    return TooLargeError(
        f"More than {max_bytes / 2**20:g} MiB in one request are not accepted.",
        "Send smaller or fewer videos, or raise `predictions.max_mb`.",
    )


def tidy_name(name: str) -> str:
    """Make a client's name of a file fit for messages: no folders of its own, nothing unprintable.

    Args:
        name: Any text.
    """
    kept = "".join(char if char.isprintable() else "_" for char in name)
    return kept[-_MAX_NAME:] or "video"


class _disk:  # noqa: N801  # used as a statement, like `suppress`
    """Translates what the disk says while the context lasts."""

    def __enter__(self) -> None:
        """Enter."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raise ours for the system's error."""
        if isinstance(error, OSError) and error.errno in _FULL:
            raise DiskFullError(
                "There is no room for the upload now.", "Try again later, or free some disk."
            ) from error

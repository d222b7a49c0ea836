"""Videos that a request may name: below one directory, whatever links and races try.

Links are followed only as far as they stay below the directory. The path that results is then
walked from the open directory, one name at a time and without following any link, so that one
swapped for a link in the meantime is refused.
"""

from __future__ import annotations

import os
import stat
from io import FileIO
from pathlib import Path

from inference.predictions.errors import (
    InvalidRequestError,
    NoSuchVideoError,
    NotAFileError,
    OutsideMediaRootError,
)

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without blocking: opening a pipe would wait for a writer.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


def open_below(root: Path, name: str) -> FileIO:
    """Open a regular file below a directory.

    Args:
        root: The directory.
        name: Path relative to it, or an absolute one that leads below it.

    Returns:
        The file, for reading.

    Raises:
        InvalidRequestError: Not a path.
        OutsideMediaRootError: It leads out of the directory.
        NoSuchVideoError: Nothing is there that may be read.
        NotAFileError: A directory, device, pipe or socket is there.
    """
    if not name or "\0" in name:
        raise InvalidRequestError("`path` is no path.")
    try:
        root = root.resolve(strict=True)
        parts = (root / name).resolve().relative_to(root).parts
    except ValueError:
        raise OutsideMediaRootError(f"{name} leads out of the media root.") from None
    except (OSError, RuntimeError) as exc:
        # A name that is too long, or links in a circle.
        raise NoSuchVideoError(f"{name} cannot be found below the media root.") from exc
    if not parts:
        raise NotAFileError(f"{name} is not a file.")
    try:
        return _walk(root, parts, name)
    except OSError as exc:
        raise NoSuchVideoError(f"{name} cannot be found below the media root.") from exc


def _walk(root: Path, parts: tuple[str, ...], name: str) -> FileIO:
    folder = os.open(root, _DIRECTORY)
    try:
        for part in parts[:-1]:
            below = os.open(part, _DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = below
        # Looked at first: to open a device may already do something.
        _check_regular(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode, name)
        file = FileIO(os.open(parts[-1], _FILE, dir_fd=folder))
    finally:
        os.close(folder)
    try:
        _check_regular(os.fstat(file.fileno()).st_mode, name)
    except NotAFileError:
        file.close()
        raise
    return file


def _check_regular(mode: int, name: str) -> None:
    if not stat.S_ISREG(mode):
        raise NotAFileError(f"{name} is not a file.")

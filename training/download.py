"""Fetching one file over HTTP: resumed where it broke off, checked, and put in place whole.

What has come lies beside the target as ``NAME.part``. The next try asks for the rest (RFC 9110,
section 14: Range; section 13.1.5: If-Range with the ETag that came with the first part). Whether
the whole is the right file is decided by its content alone, so nothing that a server says of sizes
need be believed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from contracts.errors import DownloadError

Progress = Callable[[int, int | None], None]
"""Is told the bytes there are, and how many there will be if the server says so."""

_TRIES = 4
_TIMEOUT_S = 20.0
# The greatest of the files fetched here is below 50 MB.
_MAX_BYTES = 256 * 1024 * 1024
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file somewhere else.

    Attributes:
        url: Where it lies.
        digest: What `digest_of` must give for it.
        digest_of: Hash of a file's content.
    """

    url: str
    digest: str
    digest_of: Callable[[Path], str]

    @property
    def name(self) -> str:
        """Last part of the URL's path."""
        return httpx.URL(self.url).path.rpartition("/")[2]


def user_cache() -> Path:
    """Folder for files that can be fetched again: below ``$XDG_CACHE_HOME``, else ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "actionstream"


def git_blob_id(path: Path) -> str:
    """Name under which git knows a file: SHA-1 of ``blob <size>``, a zero byte and the content.

    Args:
        path: The file.

    Returns:
        Forty hexadecimal digits.
    """
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch(file: RemoteFile, target: Path, progress: Progress = lambda _done, _total: None) -> Path:
    """Fetch a file, unless it is there already.

    Args:
        file: What to fetch, and how it is known.
        target: Where it shall lie; a file there with the right content is left alone, whoever put
            it there.
        progress: Is told how far it is.

    Returns:
        The target.

    Raises:
        DownloadError: The server is not reached, refuses, breaks off time and again, or sends
            something else; what came so far is kept if it may still be of use.
    """
    if target.is_file() and file.digest_of(target) == file.digest:
        return target
    part = _Part(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        resumed = _complete(file, part, progress)
        if resumed and file.digest_of(part.path) != file.digest:
            # The parts were of different files: once more, from the start.
            part.clear()
            _complete(file, part, progress)
        found = file.digest_of(part.path)
        if found != file.digest:
            part.clear()
            raise DownloadError(
                f"{file.url} is not the file it should be: its hash is {found}, not {file.digest}.",
                "Nothing of it was kept.",
            )
        part.path.replace(target)
        part.clear()
    except OSError as exc:
        raise DownloadError(f"{target} cannot be written: {exc.strerror}.") from exc
    return target


class _Part:
    """What has come of a file, and the ETag it came with."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._tag = target.with_name(f"{target.name}.etag")

    @property
    def size(self) -> int:
        """Bytes that have come."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def headers(self) -> dict[str, str]:
        """Ask for what is missing, and for everything should the file have changed."""
        if not self.size:
            return {}
        rest = {"Range": f"bytes={self.size}-"}
        if self._tag.is_file():
            rest["If-Range"] = self._tag.read_text(encoding="ascii")
        return rest

    def begin(self, etag: str | None) -> None:
        """Start from nothing; a weak ETag does not tell bytes apart."""
        self.clear()
        self.path.touch()
        if etag and etag.isascii() and not etag.startswith("W/"):
            self._tag.write_text(etag, encoding="ascii")

    def clear(self) -> None:
        """Remove every trace."""
        self.path.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)


def _complete(file: RemoteFile, part: _Part, progress: Progress) -> bool:
    """Ask until the whole file is there; return whether it was put together from parts."""
    resumed = part.size > 0
    for left in reversed(range(_TRIES)):
        try:
            _ask(file, part, progress)
            break
        except httpx.HTTPError as exc:
            # A connection that broke off half-way may be taken up; one that never was cannot.
            if left == 0 or isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout):
                reason = " ".join(str(exc).split()) or type(exc).__name__
                host = httpx.URL(file.url).host
                raise DownloadError(f"Cannot fetch {file.name} from {host}: {reason}.") from exc
            resumed = True
    return resumed


def _ask(file: RemoteFile, part: _Part, progress: Progress) -> None:
    """Make one request and append its body to what is there."""
    with httpx.stream(
        "GET",
        file.url,
        # Compressed on the way, bytes could not be counted.
        headers={"Accept-Encoding": "identity", **part.headers()},
        timeout=_TIMEOUT_S,
        follow_redirects=True,
    ) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and part.size:
            # Everything has come already, or it is of another file: the hash will show.
            return
        total = _begin_or_go_on(file, part, answer)
        done = part.size
        with part.path.open("ab") as output:
            # As it comes: what were gathered into larger blocks would be lost when it breaks off.
            for block in answer.iter_raw():
                done += len(block)
                output.write(block)
                progress(done, total)
                if done > _MAX_BYTES:
                    break
    if done > _MAX_BYTES:
        part.clear()
        raise DownloadError(
            f"{file.url} is larger than {_MAX_BYTES:,} bytes: not what it should be."
        )


def _begin_or_go_on(file: RemoteFile, part: _Part, answer: httpx.Response) -> int | None:
    """Decide whether a body is the whole file or its rest; return the whole's size if told."""
    if answer.status_code == httpx.codes.PARTIAL_CONTENT:
        told = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if told and int(told[1]) == part.size:
            return None if told[2] == "*" else int(told[2])
        part.clear()
        raise httpx.RemoteProtocolError("another part came than the one asked for")
    if answer.status_code != httpx.codes.OK:
        raise DownloadError(f"{file.url} is refused: {answer.status_code} {answer.reason_phrase}.")
    part.begin(answer.headers.get("ETag"))
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None

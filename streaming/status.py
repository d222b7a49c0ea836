"""How a stream fares: kept by its decoder thread, read by others."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace

from contracts.settings import SourceSettings
from contracts.types import SourceStatus, StreamState, VideoInfo
from streaming.lifecycle import Lifecycle, RateMeter

# Changes wait here for the thread that publishes them; more than this means that it hangs, and
# then the newest ones matter.
_MAX_PENDING = 64


class StatusBoard:
    """Status of one stream, and its changes in order. Thread-safe.

    Attributes:
        changed: Set when there are changes to `take`.
    """

    def __init__(self, name: str, settings: SourceSettings) -> None:
        """Start connecting."""
        self.changed = threading.Event()
        self._settings = settings
        self._lock = threading.Lock()
        self._life = Lifecycle(settings.stall_s, settings.offline_s, time.monotonic())
        self._rate = RateMeter()
        self._status = SourceStatus(name, StreamState.CONNECTING, time.time())
        self._pending: deque[SourceStatus] = deque([self._status], maxlen=_MAX_PENDING)
        self.changed.set()

    @property
    def status(self) -> SourceStatus:
        """How the stream fares now."""
        with self._lock:
            return replace(self._status, fps=self._rate.fps(time.monotonic()))

    def take(self) -> list[SourceStatus]:
        """Changes since the last call, in order."""
        with self._lock:
            self.changed.clear()
            fps = self._rate.fps(time.monotonic())
            taken = [replace(status, fps=fps) for status in self._pending]
            self._pending.clear()
            return taken

    def opened(self, info: VideoInfo) -> None:
        """The source was opened."""
        with self._lock:
            self._update(info=info)

    def frame(self, pts_s: float, size: tuple[int, int], damaged: int) -> None:
        """A frame was decoded.

        Args:
            pts_s: Its media time.
            size: Its width and height.
            damaged: Packets and frames that were left out since the last frame.
        """
        now_s = time.monotonic()
        with self._lock:
            self._rate.frame(now_s, pts_s)
            info = self._status.info
            if info is not None and size != (info.width, info.height):
                info = replace(info, width=size[0], height=size[1])
            self._life.frame(now_s)
            self._update(info=info, error=None)
            self._status = replace(
                self._status,
                frames=self._status.frames + 1,
                errors=self._status.errors + damaged,
            )

    def lost(self, error: str) -> None:
        """The connection broke or was not made; another attempt follows."""
        with self._lock:
            self._life.lost()
            self._update(error=error)

    def gone(self, error: str | None) -> None:
        """The source ended (no error) or cannot be had (why)."""
        with self._lock:
            self._life.gone()
            self._update(error=error)

    def tick(self) -> None:
        """Notice silence."""
        with self._lock:
            if self._life.tick(time.monotonic()):
                silence = f"No picture for {self._settings.stall_s:g} s."
                self._update(error=self._status.error or silence)

    def _update(self, info: VideoInfo | None = None, error: str | None = None) -> None:
        """Note a change, if it is one. The caller holds the lock."""
        before = self._status
        info = info or before.info
        if (self._life.state, info, error) == (before.state, before.info, before.error):
            return
        since = before.since if self._life.state is before.state else time.time()
        self._status = replace(before, state=self._life.state, since=since, info=info, error=error)
        self._pending.append(self._status)
        self.changed.set()

"""One stream: connects, decodes, samples, reconnects, and says how it fares.

A decoder thread does the blocking work; a second, idle one publishes the state, because a camera
that falls silent leaves the decoder waiting inside FFmpeg.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import av

from contracts.errors import (
    NotAVideoError,
    SourceError,
    SourceNotFoundError,
    SourceRefusedError,
    SourceUnreachableError,
)
from contracts.settings import SourceSettings, StreamSettings
from contracts.types import SampledFrame, Sampling, SourceStatus
from streaming.inputs import Origin, describe, open_video, resolve
from streaming.lifecycle import Backoff
from streaming.pacing import ends, timing_of
from streaming.preview import Preview
from streaming.reader import Shrinker, VideoReader
from streaming.sampler import FrameSampler
from streaming.status import StatusBoard

log = logging.getLogger(__name__)

_TICK_S = 0.1
_REFRESH_S = 5.0
_STOP_S = 0.9
# An RTSP server that answers "no such path" is alive: asking it often costs nothing, and a
# publisher that comes back is seen soon.
_NOT_FOUND_PAUSE_S = 1.5
# A wrong password will hardly become right; cameras lock accounts that keep trying.
_REFUSED_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class SourceCallbacks:
    """Who is told.

    Attributes:
        on_frame: Each sampled frame, on the decoder's thread: must not block for long.
        on_status: Each change of state, video or error, and every 5 s; on a thread of its own.
        on_picture: Each decoded frame in its own size, with the UTC seconds of its capture, on the
            decoder's thread: must not block, and must not change the frame.
    """

    on_frame: Callable[[SampledFrame], None]
    on_status: Callable[[SourceStatus], None]
    on_picture: Callable[[av.VideoFrame, float], None] | None = None


class StreamSource:
    """Reads one stream until stopped."""

    def __init__(
        self,
        stream: StreamSettings,
        sampling: Sampling,
        settings: SourceSettings,
        callbacks: SourceCallbacks,
    ) -> None:
        """Prepare; `start` begins.

        Args:
            stream: Name, URL and whether a file starts again when it ends.
            sampling: Frame rate and size that the model wants.
            settings: Transport and patience.
            callbacks: Who is told.
        """
        self.preview = Preview()
        self._stream = stream
        self._settings = settings
        self._callbacks = callbacks
        self._sampler = FrameSampler(sampling.period_s)
        self._shrink = Shrinker(sampling)
        self._board = StatusBoard(stream.name, settings)
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"{task} {stream.name}", daemon=True)
            for task, target in (("decode", self._decode), ("status", self._report))
        ]

    @property
    def status(self) -> SourceStatus:
        """How the stream fares now."""
        return self._board.status

    def start(self) -> None:
        """Begin reading."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Try again at once: somebody knows that the source is there."""
        self._wake.set()

    def stop(self) -> None:
        """End within a second; no callback runs afterwards.

        A decoder that is blocked inside FFmpeg cannot be interrupted; it is left to end by itself
        at its socket's timeout, without a further callback.
        """
        self._stopping.set()
        self._wake.set()
        self._board.changed.set()
        deadline_s = time.monotonic() + _STOP_S
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, deadline_s - time.monotonic()))
        self.preview.clear()

    def _report(self) -> None:
        """Publish the state though the decoder may be blocked."""
        refresh_s = time.monotonic() + _REFRESH_S
        while not self._stopping.is_set():
            self._board.changed.wait(_TICK_S)
            self._board.tick()
            statuses = self._board.take()
            if time.monotonic() >= refresh_s and not statuses:
                statuses = [self._board.status]
            for status in statuses:
                refresh_s = time.monotonic() + _REFRESH_S
                self._callbacks.on_status(status)

    def _decode(self) -> None:
        """Outermost edge of the decoder thread."""
        try:
            self._run()
        except Exception as exc:  # pylint: disable=broad-exception-caught  # edge of the thread
            log.exception("stream %s: the decoder thread failed", self._stream.name)
            self._board.gone(f"Internal error: {exc!r}.")

    def _run(self) -> None:
        backoff = Backoff(self._settings.retry_max_s)
        while not self._stopping.is_set():
            frames_before = self._board.status.frames
            try:
                self._play_all()
            except SourceError as exc:
                if self._board.status.frames > frames_before:
                    backoff.reset()
                pause_s = self._after(exc, backoff)
            else:
                pause_s = 0.0 if self._stream.loop else None
            if self._stopping.is_set():
                return
            if pause_s is None:
                self._board.gone(self._board.status.error)
                return
            self._wake.wait(pause_s)
            self._wake.clear()

    def _after(self, exc: SourceError, backoff: Backoff) -> float | None:
        """Take note of a failure; give the pause before the next attempt, if there is one."""
        # Whoever receives the status logs it; this is for who looks closer.
        log.debug("stream %s: %s", self._stream.name, exc)
        remote = "://" in self._stream.url
        refused = isinstance(exc, SourceRefusedError)
        if refused or not remote:
            self._board.gone(str(exc))
        else:
            self._board.lost(str(exc))
        if refused:
            return max(_REFUSED_PAUSE_S, self._settings.retry_max_s)
        if not remote and isinstance(exc, NotAVideoError):
            return None
        if isinstance(exc, SourceNotFoundError):
            return backoff.pause_s(_NOT_FOUND_PAUSE_S) if remote else self._settings.retry_max_s
        return backoff.pause_s()

    def _play_all(self) -> None:
        """Play the source to its end once."""
        origins = resolve(self._stream.url, self._settings)
        played = 0
        finite = True
        problem: SourceError | None = None
        for origin in origins:
            if self._stopping.is_set():
                return
            frames_before = self._board.status.frames
            try:
                finite = self._play(origin)
            except NotAVideoError as exc:
                # One bad file does not end a directory.
                log.warning("stream %s: %s", self._stream.name, exc)
                problem = exc
            played += self._board.status.frames - frames_before
        if self._stopping.is_set():
            return
        if not played:
            raise problem or NotAVideoError(f"No picture of {self._stream.url} can be decoded.")
        if not finite:
            raise SourceUnreachableError(f"{origins[-1].name} ended.", "Waiting for it to return.")

    def _play(self, origin: Origin) -> bool:
        """Play one origin to its end; tell whether it is one that ends."""
        with open_video(origin) as (container, stream):
            info = describe(container, stream)
            self._board.opened(info)
            self._sampler.restart(info.fps)
            timing = timing_of(origin, container.format.name, self._stopping)
            reader = VideoReader(container, stream, timing.on_packet)
            counted = 0
            for decoded in reader.frames():
                place = self._sampler.offer(decoded.pts_s, decoded.size)
                captured_at, clock = timing.capture(place)
                if self._stopping.is_set():
                    break
                self._board.frame(place.pts_s, decoded.size, reader.errors - counted)
                counted = reader.errors
                self.preview.put(decoded.frame, captured_at)
                if self._callbacks.on_picture is not None:
                    self._callbacks.on_picture(decoded.frame, captured_at)
                if place.index is not None:
                    picked = self._shrink(decoded, place, captured_at, clock)
                    self._callbacks.on_frame(picked)
            return ends(timing, info)

"""Plays a source into an RTSP server at the pace of real time.

PyAV holds the interpreter lock while it connects, and nothing can interrupt a write to a server
that has hung: run this in a process of its own, as `streaming.publisher` does.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import av
import av.error
from av.container import OutputContainer

from contracts.errors import NotAVideoError, SourceError, SourceRefusedError, redact
from streaming.inputs import Kind, Origin, describe, open_video, reason, resolve, translated
from streaming.lifecycle import Backoff
from streaming.pacing import Arriving, Paced, ends, timing_of
from streaming.sampler import Place
from streaming.tracks import (
    CopyWriter,
    EncodeWriter,
    Unit,
    Writer,
    can_copy,
    copied_units,
    decoded_units,
    frame_s,
)

log = logging.getLogger(__name__)

# Output that falls this far behind its media time goes on from there.
_LATE_S = 1.0
_PROGRESS_S = 0.5
_RETRY_MAX_S = 5.0
# The times of a live source may wander so far before they are taken to have changed.
_LIVE_SHIFT_S = 0.2


@dataclass(frozen=True, slots=True)
class PublishProgress:
    """How far a publication is.

    Attributes:
        loop: How often the source began, from 1 on.
        position_s: Media time within this loop.
        duration_s: Length of a loop; nothing for live sources and directories.
        connected: Whether the server is there.
        copied: Whether the source's own packets are sent, not re-encoded ones.
    """

    loop: int
    position_s: float
    duration_s: float | None
    connected: bool
    copied: bool


@dataclass(slots=True)
class Outlet:
    """The connection to the server.

    Attributes:
        url: Where to publish.
        transport: How the media travel, ``tcp`` or ``udp``.
    """

    url: str
    transport: str
    _output: OutputContainer | None = None
    _writer: Writer | None = None
    _start_s: float = 0.0

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._writer is not None

    def connect(self, make_writer: Callable[[OutputContainer], Writer]) -> None:
        """Announce and begin to record."""
        with translated(Origin(Kind.RTSP, redact(self.url), self.url)):
            self._output = av.open(
                self.url,
                mode="w",
                format="rtsp",
                options={"rtsp_transport": self.transport, "avoid_negative_ts": "disabled"},
            )
            try:
                writer = make_writer(self._output)
                # The muxer's sender reports count media time from the writing of the header.
                self._start_s = time.monotonic()
                self._output.start_encoding()
            except av.error.FFmpegError:
                self.close()
                raise
        self._writer = writer

    def write(self, unit: Unit, captured_s: float) -> None:
        """Send a unit that was captured at monotonic `captured_s`, or find the server gone."""
        if self._writer is None:
            return
        try:
            self._writer.write(unit, captured_s - self._start_s)
        except av.error.FFmpegError as exc:
            log.warning("%s went away: %s.", redact(self.url), reason(exc))
            self.close()

    def close(self) -> None:
        """Hang up; a server that is gone cannot be told."""
        output, self._output, self._writer = self._output, None, None
        if output is not None:
            with contextlib.suppress(av.error.FFmpegError):
                output.close()


@dataclass(slots=True)
class _Schedule:
    """When units are due: at their media time from when the loop began. Times are monotonic.

    Attributes:
        moved: Whether the loop's beginning is news.
    """

    moved: bool = True
    # Monotonic time of media time 0 of this loop, once known.
    _zero_s: float | None = None
    # Length of those files of this loop that are done, and of the one that plays.
    _done_s: float = 0.0
    _file_s: float = 0.0

    @property
    def zero_utc(self) -> float:
        """UTC seconds at which media time 0 of this loop is sent."""
        zero_s = time.monotonic() if self._zero_s is None else self._zero_s
        return time.time() - (time.monotonic() - zero_s)

    def forget(self) -> None:
        """Begin with the next unit, whatever its time."""
        self._zero_s = None

    def next_file(self) -> None:
        """A file ended; the next one of the same loop follows on."""
        self._done_s += self._file_s
        self._file_s = 0.0

    def next_loop(self) -> None:
        """All files ended; they begin anew."""
        self.next_file()
        if self._zero_s is not None:
            self._zero_s += self._done_s
        self._done_s = 0.0
        self.moved = True

    def due_s(self, unit: Unit) -> float:
        """Tell when a paced unit is to be sent; the schedule moves if that is long past."""
        now_s = time.monotonic()
        self._file_s = max(self._file_s, unit.pts_s + unit.duration_s)
        send_s = self._done_s + unit.send_s
        if self._zero_s is None or now_s - (self._zero_s + send_s) > _LATE_S:
            self._move(now_s - send_s)
        return (self._zero_s or 0.0) + send_s

    def follow(self, unit: Unit, captured_s: float) -> None:
        """Take over the times of a live source, as long as they agree with themselves."""
        zero_s = captured_s - unit.pts_s
        if self._zero_s is None or abs(zero_s - self._zero_s) > _LIVE_SHIFT_S:
            self._move(zero_s)

    def captured_s(self, unit: Unit) -> float:
        """Tell when a unit counts as captured."""
        return (self._zero_s or 0.0) + self._done_s + unit.pts_s

    def position_s(self, unit: Unit) -> float:
        """Media time of a unit within the loop."""
        return self._done_s + unit.pts_s

    def _move(self, zero_s: float) -> None:
        self._zero_s = zero_s
        self.moved = True


@dataclass(slots=True)
class Broadcast:
    """One publication. Blocks in `run`.

    Attributes:
        source: What to publish.
        outlet: Where.
        loop: Whether a source that ends starts again.
        stop: Ends it when set.
        on_loop: Told the UTC seconds of media time 0 of each loop.
        on_progress: Told twice a second how far it is.
    """

    source: str
    outlet: Outlet
    loop: bool
    stop: threading.Event
    on_loop: Callable[[float], None]
    on_progress: Callable[[PublishProgress], None]
    _schedule: _Schedule = field(default_factory=_Schedule)
    _backoff: Backoff = field(default_factory=lambda: Backoff(_RETRY_MAX_S))
    _round: int = 1
    _worked: bool = False
    _finite: bool = True
    _next_attempt_s: float = 0.0
    _told_s: float = 0.0

    def run(self) -> None:
        """Play until the end."""
        try:
            while not self.stop.is_set():
                try:
                    finite = self._play()
                except SourceError as exc:
                    if not self._worked or isinstance(exc, SourceRefusedError):
                        raise
                    log.warning("%s", exc)
                    finite = False
                if finite and not self.loop:
                    return
                if not finite:
                    # A live source may come back with another picture.
                    self.outlet.close()
                    self.stop.wait(self._backoff.pause_s())
                self._round += 1
        finally:
            self.outlet.close()

    def _play(self) -> bool:
        """Send the source once; tell whether it is one that ends."""
        origins = resolve(self.source)
        copied = len(origins) == 1 and can_copy(origins[0])
        sent = 0
        for origin in origins:
            try:
                sent += sum(1 for _ in self._units(origin, copied, len(origins) == 1))
            except NotAVideoError as exc:
                if len(origins) == 1:
                    raise
                # One bad file does not end a directory.
                log.warning("%s", exc)
            self._schedule.next_file()
            if self.stop.is_set():
                break
        if not sent and not self.stop.is_set():
            raise NotAVideoError(f"No picture of {redact(self.source)} can be sent.")
        self._schedule.next_loop()
        return self._finite

    def _units(self, origin: Origin, copied: bool, alone: bool) -> Iterator[Unit]:
        """Send an origin's units at their time; yield each one that is done."""
        with open_video(origin) as (container, stream):
            timing = timing_of(origin, container.format.name, self.stop)
            make_units = copied_units if copied else decoded_units
            info = describe(container, stream)
            self._finite = ends(timing, info)
            duration_s = info.duration_s if alone else None
            for unit in make_units(container, stream, timing.on_packet):
                self._wait(unit, timing)
                if self.stop.is_set():
                    return
                if not self.outlet.connected and unit.key:
                    writer: Callable[[OutputContainer], Writer] = (
                        partial(CopyWriter, template=stream)
                        if copied
                        else partial(EncodeWriter, first=unit, step_s=frame_s(stream))
                    )
                    self._connect(writer)
                    self._wait(unit, timing)
                self.outlet.write(unit, self._schedule.captured_s(unit))
                self._tell(unit, duration_s, copied)
                yield unit

    def _wait(self, unit: Unit, timing: Arriving | Paced) -> None:
        """Wait for a unit's time; a live one has come at its time."""
        if isinstance(timing, Arriving):
            captured_at, _ = timing.capture(Place(0, None, unit.pts_s))
            self._schedule.follow(unit, time.monotonic() - (time.time() - captured_at))
        else:
            self.stop.wait(max(0.0, self._schedule.due_s(unit) - time.monotonic()))

    def _connect(self, make_writer: Callable[[OutputContainer], Writer]) -> None:
        """Try to reach the server; later attempts wait their turn while the source goes on."""
        if time.monotonic() < self._next_attempt_s:
            return
        try:
            self.outlet.connect(make_writer)
        except SourceError as exc:
            if not self._worked or isinstance(exc, SourceRefusedError):
                raise
            self._next_attempt_s = time.monotonic() + self._backoff.pause_s()
            log.info("%s", exc)
            return
        self._backoff.reset()
        if not self._worked:
            # Connecting took its time: the first picture is due now.
            self._schedule.forget()
        self._worked = True

    def _tell(self, unit: Unit, duration_s: float | None, copied: bool) -> None:
        """Report where we are."""
        if self._schedule.moved and self.outlet.connected:
            self._schedule.moved = False
            self.on_loop(self._schedule.zero_utc)
        if time.monotonic() < self._told_s + _PROGRESS_S:
            return
        self._told_s = time.monotonic()
        self.on_progress(
            PublishProgress(
                loop=self._round,
                position_s=self._schedule.position_s(unit),
                duration_s=duration_s,
                connected=self.outlet.connected,
                copied=copied,
            )
        )

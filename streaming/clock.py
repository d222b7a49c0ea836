"""When a frame was captured: from media time to UTC.

A camera's sender reports (RFC 3550 section 6.4.1) tie its media time to its wall clock. Until the
first report, and for senders whose wall clock cannot be right, the moment of arrival stands in.
"""

from __future__ import annotations

from contracts.types import Clock

# Wall clocks that agree with ours make frames arrive after their capture, and not long after. Some
# senders are a little ahead: FFmpeg dates pictures from its connecting, later than its reading.
_SENDER_AHEAD_S = 0.25
_SENDER_BEHIND_S = 10.0
# Media time that steps back further than reordered frames do has begun anew.
_MEDIA_BACK_S = 1.0
# A frame this late was not delayed: our own clock was set, or media time was cut.
_LATE_S = 10.0
# Slope at which the arrival offset may rise. Quartz clocks differ by some 0.1 ms per second; ten
# times that also follows a route that became slower, within a minute or so.
_DRIFT = 1e-3


class CaptureClock:
    """Maps the media time of one connection to UTC.

    By arrival, capture is taken as media time plus the smallest recent ``arrival - media time``:
    a burst or a network delay makes packets late, never early, so the smallest is nearest the
    truth. Not thread-safe: one decoder thread owns it.
    """

    def __init__(self) -> None:
        """Start a connection: nothing is known yet."""
        self._sender_offset_s: float | None = None
        self._arrival_offset_s: float | None = None
        self._newest_pts_s = 0.0
        self._newest_arrival_s = 0.0

    def packet(self, pts_s: float, sender_utc_s: float | None, arrival_utc_s: float) -> None:
        """Take note of one packet, in the order of arrival.

        Args:
            pts_s: Media time of the packet in seconds.
            sender_utc_s: The sender's wall clock for this media time, once it has reported.
            arrival_utc_s: Our wall clock just after the packet was read.
        """
        self._sender_offset_s = None if sender_utc_s is None else sender_utc_s - pts_s
        self._follow_arrival(pts_s, arrival_utc_s)

    def capture(self, pts_s: float) -> tuple[float, Clock]:
        """Tell when a frame was captured.

        Args:
            pts_s: Media time of the frame; its packet was noted before.

        Returns:
            UTC epoch seconds, never later than the newest arrival, and what they were read from.
        """
        arrival_s, sender_s = self._arrival_offset_s, self._sender_offset_s
        if arrival_s is None:
            return self._newest_arrival_s, Clock.ARRIVAL
        offset_s, clock = arrival_s, Clock.ARRIVAL
        if sender_s is not None and -_SENDER_BEHIND_S <= sender_s - arrival_s <= _SENDER_AHEAD_S:
            # No picture was captured after one that needs it arrived, whatever the sender says.
            offset_s, clock = min(sender_s, arrival_s), Clock.RTCP
        return min(pts_s + offset_s, self._newest_arrival_s), clock

    def _follow_arrival(self, pts_s: float, arrival_utc_s: float) -> None:
        offset_s = arrival_utc_s - pts_s
        before_s = self._arrival_offset_s
        restarted = pts_s < self._newest_pts_s - _MEDIA_BACK_S
        if before_s is None or restarted or offset_s > before_s + _LATE_S:
            self._arrival_offset_s = offset_s
            self._newest_pts_s = pts_s
        else:
            elapsed_s = max(0.0, pts_s - self._newest_pts_s)
            self._arrival_offset_s = min(offset_s, before_s + _DRIFT * elapsed_s)
            self._newest_pts_s = max(self._newest_pts_s, pts_s)
        self._newest_arrival_s = arrival_utc_s

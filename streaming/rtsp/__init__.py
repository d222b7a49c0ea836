"""An embedded RTSP server, so that nothing has to be installed; not the production server.

    RtspServer        listens, and tells which paths are published
    RtspServerOptions settings, with RtspLimits, RtspTimeouts and RtspUser
    PathInfo          one published path; PathChange says that one came or went

Inside, from the wire upwards: ``messages``, ``transport``, ``sdp``, ``url``, ``rtp`` (pure
formats); ``random_access`` and ``gop`` (what a late joiner needs); ``reader`` and ``path``
(distribution); ``auth``, ``session``, ``methods``, ``connection`` (the protocol); ``hub`` and
``server``.
"""

from .options import (
    PathChange,
    PathInfo,
    RtspLimits,
    RtspServerOptions,
    RtspTimeouts,
    RtspUser,
)
from .server import RtspServer

__all__ = [
    "PathChange",
    "PathInfo",
    "RtspLimits",
    "RtspServer",
    "RtspServerOptions",
    "RtspTimeouts",
    "RtspUser",
]

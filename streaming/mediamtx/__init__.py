"""MediaMTX, the production RTSP and WebRTC server: asked for its paths, or run by us."""

from streaming.mediamtx.api import MediaMtxApi, PathInfo
from streaming.mediamtx.config import MediaMtxPorts
from streaming.mediamtx.process import MediaMtxProcess, find_binary

__all__ = ["MediaMtxApi", "MediaMtxPorts", "MediaMtxProcess", "PathInfo", "find_binary"]

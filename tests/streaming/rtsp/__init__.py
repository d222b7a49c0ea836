"""Tests of the embedded RTSP server."""

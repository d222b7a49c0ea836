"""Publishes a file with PyAV, without re-encoding, in a loop.

A process of its own: PyAV holds the interpreter lock while it waits for the answer to ANNOUNCE,
so that a server in the same process could never give it.
"""

from __future__ import annotations

import sys
import time

import av


def main(file: str, url: str, transport: str) -> None:
    """Copy the first video stream in real time, until killed."""
    with av.open(url, "w", format="rtsp", options={"rtsp_transport": transport}) as sink:
        stream, start, shift = None, time.monotonic(), 0
        while True:
            with av.open(file) as source:
                video = source.streams.video[0]
                stream = stream or sink.add_stream_from_template(video)
                for packet in source.demux(video):
                    if packet.dts is None or packet.pts is None or packet.time_base is None:
                        continue
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    due_s = float(packet.dts * packet.time_base) - (time.monotonic() - start)
                    time.sleep(max(0.0, due_s))
                    packet.stream = stream
                    sink.mux(packet)
                shift += video.duration or 0


if __name__ == "__main__":
    main(*sys.argv[1:])

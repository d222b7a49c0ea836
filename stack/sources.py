"""Where the worker's video comes from: the streaming package behind the worker's interface."""

from __future__ import annotations

from contracts.settings import SourceSettings, StreamSettings
from inference.bundle import Bundle
from inference.stream import OnFrame, OnStatus, OpenSource, Source
from streaming.source import SourceCallbacks, StreamSource


def make_opener(bundle: Bundle, settings: SourceSettings) -> OpenSource:
    """Make the function that opens a stream's video for the worker.

    Args:
        bundle: Of the model that will look at it.
        settings: Transport and patience.
    """

    def open_source(stream: StreamSettings, on_frame: OnFrame, on_status: OnStatus) -> Source:
        return StreamSource(
            stream, bundle.input.sampling, settings, SourceCallbacks(on_frame, on_status)
        )

    return open_source

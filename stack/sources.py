"""Where the worker's video comes from: the streaming package behind the worker's interface."""

from __future__ import annotations

from contracts.settings import SourceSettings, StreamSettings
from contracts.types import Sampling
from inference.bundle import Bundle
from inference.stream import OnFrame, OnStatus, OpenSource, Source
from streaming.source import SourceCallbacks, StreamSource


def sampling_of(bundle: Bundle) -> Sampling:
    """Frames that a model wants to see."""
    return Sampling(bundle.input.fps, bundle.input.width, bundle.input.height)


def make_opener(bundle: Bundle, settings: SourceSettings) -> OpenSource:
    """Make the function that opens a stream's video for the worker.

    Args:
        bundle: Of the model that will look at it.
        settings: Transport and patience.
    """
    sampling = sampling_of(bundle)

    def open_source(stream: StreamSettings, on_frame: OnFrame, on_status: OnStatus) -> Source:
        return StreamSource(stream, sampling, settings, SourceCallbacks(on_frame, on_status))

    return open_source

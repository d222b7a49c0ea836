"""Where the worker's video comes from: the streaming package behind the worker's interface."""

from __future__ import annotations

from contracts.settings import SourceSettings, StreamSettings
from contracts.types import Sampling
from inference.stream import OnFrame, OnStatus, OpenSource, Source
from stack.annotated import AnnotatedSource, Annotations
from streaming.source import SourceCallbacks, StreamSource


def make_opener(settings: SourceSettings, annotations: Annotations | None = None) -> OpenSource:
    """Make the function that opens a stream's video for the worker.

    Args:
        settings: Transport and patience.
        annotations: Makes the annotated video of streams that want it; ``None``: none has it.
    """

    def open_source(
        stream: StreamSettings, sampling: Sampling, on_frame: OnFrame, on_status: OnStatus
    ) -> Source:
        output = annotations.output(stream) if annotations is not None else None
        on_picture = output.put if output is not None else None
        callbacks = SourceCallbacks(on_frame, on_status, on_picture)
        source = StreamSource(stream, sampling, settings, callbacks)
        return source if output is None else AnnotatedSource(source, output)

    return open_source

"""Annotated video of the streams that ask for it, between their sources and their messages."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from contracts.messages import Message
from contracts.settings import StreamSettings
from contracts.types import SourceStatus
from inference.stream import Preview, Source
from streaming.annotated import AnnotatedOutput
from streaming.captions import Captions

SUFFIX: Final = "/annotated"
"""What is added to a stream's name for the path of its annotated video."""


class Annotations:
    """Hears the messages of all streams and makes the outputs; thread-safe."""

    def __init__(self, publish_url: str) -> None:
        """Keep where to publish.

        Args:
            publish_url: Base URL of the RTSP server, with a login that may publish if it needs one.
        """
        self._base = publish_url.rstrip("/")
        self._lock = threading.Lock()
        self._captions: dict[str, Captions] = {}

    def message(self, stream: str, message: Message) -> None:
        """Hear what was published of a stream."""
        self._captions_of(stream).hear(message)

    def forget(self, stream: str) -> None:
        """Hear that a stream was removed for good."""
        with self._lock:
            self._captions.pop(stream, None)

    def output(self, stream: StreamSettings) -> AnnotatedOutput | None:
        """Make the output of a stream, not started; nothing if it wants none."""
        if not stream.annotate:
            return None
        path = quote(f"{stream.name}{SUFFIX}", safe="/")
        return AnnotatedOutput(f"{self._base}/{path}", self._captions_of(stream.name))

    def _captions_of(self, stream: str) -> Captions:
        with self._lock:
            return self._captions.setdefault(stream, Captions())


@dataclass(frozen=True, slots=True)
class AnnotatedSource:
    """A source and the output that lives as long as it.

    Attributes:
        source: Whose frames are drawn on.
        output: Where they go.
    """

    source: Source
    output: AnnotatedOutput

    def start(self) -> None:
        """Begin to read."""
        self.output.start()
        self.source.start()

    def stop(self) -> None:
        """End the source's thread within a second, then the output's."""
        self.source.stop()
        self.output.stop()

    def wake(self) -> None:
        """Try again at once."""
        self.source.wake()

    @property
    def status(self) -> SourceStatus:
        """How the source fares now."""
        return self.source.status

    @property
    def preview(self) -> Preview:
        """The source's newest picture, without anything drawn in."""
        return self.source.preview

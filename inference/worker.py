"""The worker: every stream of this process, added and removed while it runs.

Streams come from the settings, from the REST API, or — with ``streams: auto`` — from whatever paths
someone publishes on the RTSP server. Where the video comes from is handed in, so that this package
needs no decoder.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from contracts.errors import ActionstreamError, ConfigError
from contracts.messages import Command, StreamStatus
from contracts.settings import Settings, StreamSettings
from contracts.types import StreamName, StreamState, WindowScores
from inference.bundle import Bundle
from inference.engine import Engine
from inference.runtime import ActionModel
from inference.stream import AnalysedStream, OpenSource, Publisher, StreamParts
from inference.windows import WindowSpec

_LOG = logging.getLogger(__name__)
_STATUS_EVERY_S = 2.0


class TooManyStreamsError(ActionstreamError):
    """The limit ``max_streams`` is reached."""

    code = "too_many_streams"


class DuplicateStreamError(ActionstreamError):
    """A stream of that name exists."""

    code = "duplicate_stream"


@dataclass(frozen=True, slots=True)
class Discovery:
    """Paths that someone publishes on an RTSP server.

    Attributes:
        paths: Yields the set of published paths whenever it changes.
        url_of: URL at which a path is read.
    """

    paths: Callable[[], AsyncIterator[frozenset[str]]]
    url_of: Callable[[str], str]


def window_spec(bundle: Bundle, settings: Settings) -> WindowSpec:
    """Windows of a model under the settings in force."""
    spec = WindowSpec.of(bundle.input, settings.engine.min_filled)
    return spec.with_stride(settings.engine.stride_s)


class Worker:
    """Analyses streams until it is stopped.

    ``start``, ``stop`` and ``run`` belong to one thread; the other methods may be called from any.
    """

    def __init__(
        self,
        settings: Settings,
        model: ActionModel,
        publisher: Publisher,
        open_source: OpenSource,
    ) -> None:
        """Prepare; nothing runs before :meth:`start`.

        Args:
            settings: Of the whole product.
            model: Scores every stream.
            publisher: Where results go; started and stopped by the caller.
            open_source: Opens a stream's video.
        """
        self.settings = settings
        self.model = model
        self.engine = Engine(
            model,
            window_spec(model.bundle, settings),
            self._on_window,
            settings.engine.max_lag_s,
        )
        self._parts = StreamParts(
            model.bundle, self.engine, publisher, open_source, settings.events
        )
        self._streams: dict[StreamName, AnalysedStream] = {}
        self._discovered: frozenset[str] = frozenset()

    def start(self) -> None:
        """Start the engine and the streams that the settings name."""
        self.engine.start()
        if self.settings.streams != "auto":
            for stream in self.settings.streams:
                self.add(stream)

    def stop(self) -> None:
        """End every stream, then the engine."""
        streams = list(self._streams.values())
        self._streams.clear()
        # Each may have to wait for a decoder that is blocked: all at once, not one after another.
        with ThreadPoolExecutor(max(1, len(streams)), "stop") as pool:
            list(pool.map(AnalysedStream.stop, streams))
        self.engine.stop()

    def add(self, settings: StreamSettings) -> None:
        """Begin to analyse a stream.

        Args:
            settings: Name and URL.

        Raises:
            DuplicateStreamError: A stream of that name exists.
            TooManyStreamsError: There are as many as the settings allow.
        """
        name = StreamName(settings.name)
        if name in self._streams:
            raise DuplicateStreamError(f"A stream called {name} exists.")
        if len(self._streams) >= self.settings.max_streams:
            raise TooManyStreamsError(
                f"{name} is not analysed: there are {len(self._streams)} streams already.",
                "The setting `max_streams` allows more.",
            )
        stream = AnalysedStream(settings, self._parts)
        self._streams[name] = stream
        stream.start()

    def remove(self, name: str) -> None:
        """Stop analysing a stream and take back what is retained of it.

        Raises:
            KeyError: No such stream.
        """
        stream = self._streams.pop(StreamName(name))
        stream.stop()
        self._parts.publisher.forget(name)

    def stream(self, name: str) -> AnalysedStream:
        """A stream by name.

        Raises:
            KeyError: No such stream.
        """
        return self._streams[StreamName(name)]

    def statuses(self) -> list[StreamStatus]:
        """State of every stream, by name."""
        return [self._streams[name].status() for name in sorted(self._streams)]

    def engine_backlog(self, name: str) -> int:
        """Sampled frames of a stream that wait to be encoded."""
        return self.engine.stats(StreamName(name)).backlog

    def on_command(self, stream: str, command: Command, error: str | None = None) -> None:
        """Follow a command that came over MQTT; called by the publisher."""
        if (target := self._streams.get(StreamName(stream))) is not None:
            target.command(command, error)

    async def run(self, discovery: Discovery | None = None) -> None:
        """Keep statuses fresh and follow the discovered paths until cancelled.

        Args:
            discovery: Where paths appear; needed for ``streams: auto``.

        Raises:
            ConfigError: ``streams: auto`` without a server that can tell its paths.
            ActionstreamError: The engine failed.
        """
        auto = self.settings.streams == "auto"
        if auto and discovery is None:
            raise ConfigError(
                "`streams: auto` needs a server that tells its paths.",
                "Set `rtsp.api_url`, or list the `streams`.",
            )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_statuses(), name="statuses")
            if auto and discovery is not None:
                tasks.create_task(self._follow(discovery), name="discovery")

    async def _follow(self, discovery: Discovery) -> None:
        async for paths in discovery.paths():
            appeared = paths - self._discovered
            self._discovered = paths
            for path in sorted(appeared):
                # Opening and closing sources joins threads: not on the event loop.
                await asyncio.to_thread(self._appeared, path, discovery.url_of(path))

    def _appeared(self, path: str, url: str) -> None:
        stream = self._streams.get(StreamName(path))
        if stream is not None:
            stream.reopen()
            return
        try:
            self.add(StreamSettings(name=path, url=url))
        except (ActionstreamError, ValueError) as exc:
            _LOG.warning("%s is not analysed: %s", path, exc)

    async def _keep_statuses(self) -> None:
        while True:
            await asyncio.sleep(_STATUS_EVERY_S)
            if self.engine.failure is not None:
                raise ActionstreamError(f"The engine failed: {self.engine.failure}.")
            for stream in list(self._streams.values()):
                if stream.source_status().state is StreamState.LIVE:
                    stream.publish_status()
                elif self._is_gone(stream):
                    await asyncio.to_thread(stream.close_source)

    def _is_gone(self, stream: AnalysedStream) -> bool:
        """Whether a discovered path went away for good: nobody need ask for it again and again."""
        return (
            self.settings.streams == "auto"
            and stream.name not in self._discovered
            and stream.source_status().state is StreamState.OFFLINE
        )

    def _on_window(self, name: StreamName, window: WindowScores) -> None:
        if (stream := self._streams.get(name)) is not None:
            stream.on_window(window)

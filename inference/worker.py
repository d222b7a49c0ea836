"""The worker: every stream of this process, added and removed while it runs.

Streams come from the settings, from the REST API, or — with ``streams: auto`` — from whatever paths
someone publishes on the RTSP server. Where the video comes from is handed in, so that this package
needs no decoder.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from contracts.errors import ActionstreamError, ConfigError
from contracts.messages import Command, StreamStatus
from contracts.settings import Settings, StreamSettings
from contracts.types import StreamName, StreamState, WindowScores
from inference.bundle import Bundle
from inference.engine import Engine
from inference.history.database import Database
from inference.history.pictures import EventPictures
from inference.history.saved import Origin, SavedState, SavedStream
from inference.pool import EnginePool, Models, single_model
from inference.recent import PictureTaker
from inference.runtime import ActionModel
from inference.stream import AnalysedStream, Control, OpenSource, Publisher, StreamParts
from inference.windows import WindowSpec

_LOG = logging.getLogger(__name__)
_STATUS_EVERY_S = 2.0
_ANNOTATED = "/annotated"
"""End of the paths that we publish ourselves; to analyse them would go on without end."""
_PICTURES_SHARE = 0.25
"""Of the largest size of the history, for the pictures of events."""


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

    ``equip``, ``start``, ``stop`` and ``run`` belong to one thread; the other methods may be called
    from any.
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
            model: Scores every stream that does not choose another.
            publisher: Where results go; started and stopped by the caller.
            open_source: Opens a stream's video.
        """
        self.settings = settings
        self.model = model
        self.engine = self._make_engine(model)
        self.engines = EnginePool(self.engine, single_model(model), self._make_engine)
        self.database: Database | None = None
        self.event_pictures: EventPictures | None = None
        self._parts = StreamParts(
            model.bundle,
            self.engine,
            publisher,
            open_source,
            settings.events,
            recent_s=settings.feedback.recent_s,
        )
        self._saved: SavedState | None = None
        self._streams: dict[StreamName, AnalysedStream] = {}
        self._origins: dict[StreamName, Origin] = {}
        # Adding, changing and removing join threads and open models: one at a time.
        self._changing = threading.RLock()
        self._discovered: frozenset[str] = frozenset()
        self._unwanted: frozenset[str] = frozenset()
        self._pictures = PictureTaker(lambda: list(self._streams.values()))

    def equip(self, models: Models | None = None, database: Database | None = None) -> None:
        """Give the worker what it can do without; before :meth:`start`.

        Args:
            models: What a stream may choose beside the default model.
            database: An open history, in which changes and the pictures of events are kept.
        """
        if models is not None:
            self.engines = EnginePool(self.engine, models, self._make_engine)
        self.database = database
        if database is not None:
            self._saved = SavedState(database)
            room = int(self.settings.history.max_mb * 1e6 * _PICTURES_SHARE)
            self.event_pictures = EventPictures(database, room)
            self._parts = replace(self._parts, keep_pictures=self.event_pictures.keep)

    def start(self) -> None:
        """Start the engine, the streams that the settings name, and those that were saved.

        Raises:
            BundleError: The settings name a model for a stream that is not there.
        """
        self.engines.start()
        if self.settings.feedback.recent_s > 0:
            self._pictures.start()
        saved = self._saved.streams() if self._saved else {}
        named = [] if self.settings.streams == "auto" else self.settings.streams
        for stream in named:
            before = saved.pop(stream.name, None)
            # Another URL is another stream, whatever was done to the one before.
            if before is None or not before.removed or before.settings.url != stream.url:
                known = before is not None and not before.removed
                self._add(before.over(stream) if known and before else stream, Origin.SETTINGS)
        for before in saved.values():
            if before.origin is Origin.API:
                self._try_to_add(before.settings, Origin.API)
            elif before.origin is Origin.DISCOVERED and before.removed:
                self._unwanted |= {before.settings.name}

    def stop(self) -> None:
        """End every stream, then the engines."""
        self._pictures.stop()
        with self._changing:
            streams = list(self._streams.values())
            self._streams.clear()
        # Each may have to wait for a decoder that is blocked: all at once, not one after another.
        with ThreadPoolExecutor(max(1, len(streams)), "stop") as pool:
            list(pool.map(AnalysedStream.stop, streams))
        self.engines.stop()

    def add(self, settings: StreamSettings) -> None:
        """Begin to analyse a stream, now and after every restart.

        Args:
            settings: Name, URL, and model if not the default.

        Raises:
            DuplicateStreamError: A stream of that name exists.
            TooManyStreamsError: There are as many as the settings allow.
            BundleError: There is no such model, or it cannot be run.
        """
        with self._changing:
            self._add(settings, Origin.API)
            self._unwanted -= {settings.name}
            self._save(StreamName(settings.name))

    def change(self, settings: StreamSettings) -> None:
        """Go on with another URL or model; its messages are numbered on, others notice nothing.

        Args:
            settings: New ones of a stream that exists.

        Raises:
            KeyError: No such stream.
            BundleError: There is no such model, or it cannot be run.
        """
        with self._changing:
            stream = self._streams[StreamName(settings.name)]
            if settings == stream.settings:
                return
            before = stream.settings.model
            parts = self._parts_for(settings.model)
            stream.change(settings, parts)
            self.engines.give_back(before)
            self._save(stream.name)
            self._save_control(stream)

    def remove(self, name: str) -> None:
        """Stop analysing a stream and take back what is retained of it.

        Raises:
            KeyError: No such stream.
        """
        with self._changing:
            stream = self._streams.pop(StreamName(name))
            stream.stop()
            self.engines.give_back(stream.settings.model)
            self._parts.publisher.forget(name)
            origin = self._origins.pop(stream.name)
            still_published = origin is Origin.DISCOVERED and name in self._discovered
            if still_published:
                self._unwanted |= {name}
            if self._saved is None:
                return
            self._saved.save_control(name, Control())
            if still_published or origin is Origin.SETTINGS:
                self._saved.save_stream(SavedStream(stream.settings, origin, removed=True))
            else:
                self._saved.forget_stream(name)

    def stream(self, name: str) -> AnalysedStream:
        """A stream by name.

        Raises:
            KeyError: No such stream.
        """
        return self._streams[StreamName(name)]

    def origin(self, name: str) -> Origin:
        """Who named a stream; of one that was removed meanwhile, it does not matter."""
        return self._origins.get(StreamName(name), Origin.API)

    def streams(self) -> list[AnalysedStream]:
        """Every stream, by name."""
        return [stream for _, stream in sorted(self._streams.items())]

    def statuses(self) -> list[StreamStatus]:
        """State of every stream, by name."""
        return [stream.status() for stream in self.streams()]

    def engine_backlog(self, name: str) -> int:
        """Sampled frames of a stream that wait to be encoded."""
        stream = self._streams.get(StreamName(name))
        return 0 if stream is None else stream.engine.stats(stream.name).backlog

    def on_command(self, stream: str, command: Command, error: str | None = None) -> None:
        """Follow a command that came over MQTT; called by the publisher."""
        if (target := self._streams.get(StreamName(stream))) is not None:
            target.command(command, error)
            self._save_control(target)

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
        async for published in discovery.paths():
            paths = frozenset(path for path in published if not path.endswith(_ANNOTATED))
            appeared = paths - self._discovered
            self._discovered = paths
            if gone := self._unwanted - paths:
                await asyncio.to_thread(self._want_again, gone)
            for path in sorted(appeared - self._unwanted):
                # Opening and closing sources joins threads: not on the event loop.
                await asyncio.to_thread(self._appeared, path, discovery.url_of(path))

    def _appeared(self, path: str, url: str) -> None:
        stream = self._streams.get(StreamName(path))
        if stream is not None:
            stream.reopen()
            return
        try:
            named = StreamSettings(name=path, url=url)
        except ValueError as exc:
            _LOG.warning("%s is not analysed: %s", path, exc)
            return
        saved = self._saved.streams().get(path) if self._saved else None
        self._try_to_add(saved.over(named) if saved else named, Origin.DISCOVERED)

    def _want_again(self, names: frozenset[str]) -> None:
        """Streams that were removed and then went away: they count as new when they come back."""
        with self._changing:
            self._unwanted -= names
            for name in names:
                if self._saved is not None:
                    self._saved.forget_stream(name)

    def _try_to_add(self, settings: StreamSettings, origin: Origin) -> None:
        try:
            self._add(settings, origin)
        except ActionstreamError as exc:
            _LOG.warning("%s is not analysed: %s", settings.name, exc)

    def _add(self, settings: StreamSettings, origin: Origin) -> None:
        name = StreamName(settings.name)
        with self._changing:
            if name in self._streams:
                raise DuplicateStreamError(f"A stream called {name} exists.")
            if len(self._streams) >= self.settings.max_streams:
                raise TooManyStreamsError(
                    f"{name} is not analysed: there are {len(self._streams)} streams already.",
                    "The setting `max_streams` allows more.",
                )
            control = self._saved.control(name) if self._saved else Control()
            stream = AnalysedStream(settings, self._parts_for(settings.model))
            stream.restore(control)
            self._streams[name], self._origins[name] = stream, origin
            stream.start()

    def _parts_for(self, model: str | None) -> StreamParts:
        engine = self.engines.take(model)
        return replace(self._parts, bundle=engine.model.bundle, engine=engine)

    def _save(self, name: StreamName) -> None:
        if self._saved is not None:
            stream = self._streams[name]
            self._saved.save_stream(SavedStream(stream.settings, self._origins[name]))

    def _save_control(self, stream: AnalysedStream) -> None:
        if self._saved is not None:
            self._saved.save_control(stream.name, stream.control)

    async def _keep_statuses(self) -> None:
        while True:
            await asyncio.sleep(_STATUS_EVERY_S)
            if (failure := self.engines.failure) is not None:
                raise ActionstreamError(f"The engine failed: {failure}.")
            for stream in list(self._streams.values()):
                if stream.source_status().state is StreamState.LIVE:
                    stream.publish_status()
                elif self._is_gone(stream):
                    await asyncio.to_thread(stream.close_source)

    def _is_gone(self, stream: AnalysedStream) -> bool:
        """Whether a discovered path went away for good: nobody need ask for it again and again."""
        return (
            self._origins.get(stream.name) is Origin.DISCOVERED
            and stream.name not in self._discovered
            and stream.source_status().state is StreamState.OFFLINE
        )

    def _make_engine(self, model: ActionModel) -> Engine:
        def on_window(name: StreamName, window: WindowScores) -> None:
            if (stream := self._streams.get(name)) is not None:
                stream.on_window(window, model.bundle)

        spec = window_spec(model.bundle, self.settings)
        return Engine(model, spec, on_window, self.settings.engine.max_lag_s)

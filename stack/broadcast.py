"""Publishing a video with its truth beside it, as the demo does."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from contracts.mqtt import MqttConnection, MqttHandlers
from contracts.settings import MqttSettings
from contracts.topics import Kind, Topics
from contracts.truth import read_truth, truth_message
from streaming.publisher import PublishOptions, publish

DEMO_STREAM = "demo"
DEMO_CLIP = Path(__file__).with_name("demo") / "demo.mp4"
DEMO_TRUTH = DEMO_CLIP.with_suffix(".json")


class TruthAnnouncer:
    """Says on MQTT, at the start of each loop, what the video shows; a context manager."""

    def __init__(self, annotations: Path, stream: str, settings: MqttSettings) -> None:
        """Read the annotations.

        Args:
            annotations: Annotation file of the video.
            stream: Name under which the video is published.
            settings: Where the broker is.

        Raises:
            ConfigError: The file is unreadable or not of the form.
        """
        self._truth = read_truth(annotations)
        self._stream = stream
        self._topic = Topics(settings.prefix).stream(stream, Kind.TRUTH)
        self._connection = MqttConnection(settings, "actionstream-truth", MqttHandlers())

    def __enter__(self) -> TruthAnnouncer:
        """Connect."""
        self._connection.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the truth back: nothing is published any more."""
        self._connection.retain(self._topic, b"")
        self._connection.stop()

    def announce(self, started_at: float) -> None:
        """Say that media time 0 was sent at a UTC time."""
        message = truth_message(self._truth, self._stream, started_at)
        self._connection.retain(self._topic, message.to_json())


def publish_with_truth(
    source: str,
    url: str,
    options: PublishOptions,
    announcer: TruthAnnouncer | None,
    stop: threading.Event,
) -> None:
    """Publish until the source ends or `stop` is set; blocks.

    Args:
        source: What to publish.
        url: Where.
        options: How; ``on_loop`` is the announcer's.
        announcer: Says what the video shows; ``None`` if nobody knows.
        stop: Ends it.

    Raises:
        ActionstreamError: The source or the server is not to be had.
    """
    with ExitStack() as parts:
        if announcer is not None:
            parts.enter_context(announcer)
            options = replace(options, on_loop=announcer.announce)
        publish(source, url, options, stop)


async def publish_forever(source: str, url: str, mqtt: MqttSettings) -> None:
    """Publish a source in a loop until cancelled, with its truth if it is the demo clip.

    Args:
        source: What to publish.
        url: Where.
        mqtt: Where the broker is.

    Raises:
        ActionstreamError: The source or the server is not to be had.
    """
    is_demo = Path(source) == DEMO_CLIP
    announcer = TruthAnnouncer(DEMO_TRUTH, DEMO_STREAM, mqtt) if is_demo else None
    stop = threading.Event()
    task = asyncio.to_thread(
        publish_with_truth, source, url, PublishOptions(loop=True), announcer, stop
    )
    try:
        await task
    finally:
        stop.set()

"""Results that go to MQTT go to whoever else in this process listens: history, feeds, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from contracts.messages import ControlState, Event, Labels, Message, Scores, StreamStatus
from inference.stream import Publisher


class Listener(Protocol):
    """Told of every result; on the threads of sources and engine, so it must not block."""

    def message(self, stream: str, message: Message) -> None:
        """Hear what was published of a stream, as it was published."""

    def forget(self, stream: str) -> None:
        """Hear that a stream was removed for good."""


class TeePublisher:
    """A publisher that passes everything on, to another one first and then to the listeners."""

    def __init__(self, publisher: Publisher, listeners: Sequence[Listener]) -> None:
        """Keep whom to tell.

        Args:
            publisher: Whose answers count.
            listeners: Told in this order.
        """
        self._publisher = publisher
        self._listeners = tuple(listeners)

    def status(self, message: StreamStatus) -> None:
        """Publish a stream's state."""
        self._publisher.status(message)
        self._tell(message.stream, message)

    def labels(self, stream: str, message: Labels) -> None:
        """Publish the labels of a stream's model."""
        self._publisher.labels(stream, message)
        self._tell(stream, message)

    def scores(self, message: Scores) -> bool:
        """Publish the scores of a window; false if they are lost on MQTT."""
        sent = self._publisher.scores(message)
        self._tell(message.stream, message)
        return sent

    def event(self, message: Event) -> bool:
        """Publish a change of an event; false if an older one is lost on MQTT for it."""
        sent = self._publisher.event(message)
        self._tell(message.stream, message)
        return sent

    def state(self, message: ControlState) -> None:
        """Publish what is in force for a stream."""
        self._publisher.state(message)
        self._tell(message.stream, message)

    def forget(self, stream: str) -> None:
        """Take back everything retained of a stream."""
        self._publisher.forget(stream)
        for listener in self._listeners:
            listener.forget(stream)

    def _tell(self, stream: str, message: Message) -> None:
        for listener in self._listeners:
            listener.message(stream, message)

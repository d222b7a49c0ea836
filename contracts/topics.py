"""MQTT topics: how they are built and taken apart.

A stream's name may hold slashes (it is a path); in a topic it is percent-encoded into one level,
so that ``actionstream/streams/+/scores`` matches every stream: the scores of ``hall/cam1`` come on
``actionstream/streams/hall%2Fcam1/scores``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, unquote

from contracts.types import StreamName

ONLINE = "online"
OFFLINE = "offline"


class Kind(StrEnum):
    """Last level of a stream's topics."""

    STATUS = "status"
    LABELS = "labels"
    SCORES = "scores"
    EVENTS = "events"
    TRUTH = "truth"
    SET = "set"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Topics:
    """Builds and parses the topics below one prefix."""

    prefix: str = "actionstream"

    @property
    def status(self) -> str:
        """Topic of the service's own ``online`` / ``offline``."""
        return f"{self.prefix}/status"

    @property
    def all_streams(self) -> str:
        """Subscription that matches every topic of every stream."""
        return f"{self.prefix}/streams/+/+"

    def stream(self, name: str, kind: Kind) -> str:
        """Topic of one stream.

        Args:
            name: The stream's name; any character may occur.
            kind: Which of its topics.

        Returns:
            The full topic.
        """
        return f"{self.prefix}/streams/{quote(name, safe='')}/{kind}"

    def every(self, kind: Kind) -> str:
        """Subscription that matches one kind of topic of every stream."""
        return f"{self.prefix}/streams/+/{kind}"

    def parse(self, topic: str) -> tuple[StreamName, Kind] | None:
        """Take a stream's topic apart.

        Args:
            topic: A topic as received.

        Returns:
            The stream's name and the kind, or ``None`` if the topic is not one of ours.
        """
        head = f"{self.prefix}/streams/"
        if not topic.startswith(head):
            return None
        name, slash, kind = topic[len(head) :].partition("/")
        if not (name and slash) or kind not in set(Kind):
            return None
        return StreamName(unquote(name)), Kind(kind)

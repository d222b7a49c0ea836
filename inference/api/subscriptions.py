"""Who listens to results over HTTP, what waits for them, and what they missed.

Every listener has a short queue of its own. Where it overflows the oldest scores go first, and the
listener is told how many messages of which kind it lost. Events of the last minutes are kept for
listeners that come back after a short break.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from contracts.messages import ControlState, Event, Message, Scores, StreamStatus
from inference.api.problems import ApiError

SCORES: Final = "scores"
EVENT: Final = "event"
KINDS: Final = (SCORES, EVENT, "status", "state")
"""Kinds of messages, each exactly as on MQTT."""

MAX_LISTENERS: Final = 100
QUEUE: Final = 256
"""Messages that may wait for one listener: some two seconds of sixteen streams."""

HEARTBEAT_S: Final = 10.0
"""Longest silence towards a listener."""

_KIND_OF: Final[dict[type[Message], str]] = {
    Scores: SCORES,
    Event: EVENT,
    StreamStatus: "status",
    ControlState: "state",
}
_KEPT_EVENTS = 2000
_COUNTED_EVENTS = 20_000


class TooManyListenersError(ApiError):
    """There are as many listeners as may be."""

    code = "too_many_listeners"
    status = HTTPStatus.SERVICE_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Item:
    """One message on its way to listeners.

    Attributes:
        kind: One of `KINDS`, or ``lost``.
        stream: Name of the stream; empty for ``lost``.
        data: The message as JSON, as on MQTT; for ``lost`` the number of messages by kind.
        id: Of an event: what to name when coming back, to get what followed it.
    """

    kind: str
    stream: str
    data: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a listener wants to hear.

    Attributes:
        kinds: Which kinds of messages.
        stream: Of which stream; ``None``: of all.
        last_id: ID of the last event it heard, if it comes back.
    """

    kinds: frozenset[str] = frozenset(KINDS)
    stream: str | None = None
    last_id: str | None = None

    def wants(self, stream: str, kind: str) -> bool:
        """Whether a message is for this listener."""
        return kind in self.kinds and self.stream in (None, stream)


class Subscription:
    """One listener: filled from any thread, emptied on its event loop."""

    def __init__(self, wish: Wish, backlog: list[Item]) -> None:
        """Begin with what the listener missed. To be called on its event loop.

        Args:
            wish: What it wants to hear.
            backlog: What it is told first.
        """
        self.wish = wish
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting = deque(backlog)
        self._limit = QUEUE + len(backlog)
        self._lost: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._told = True
        self._closed = False
        self._news.set()

    def push(self, item: Item) -> None:
        """Add a message; suits any thread."""
        with self._lock:
            if len(self._waiting) >= self._limit and not self._make_room(item):
                return
            self._waiting.append(item)
            self._tell()

    def close(self) -> None:
        """Let the listener go after what waits; suits any thread."""
        with self._lock:
            self._closed = True
            self._tell()

    async def batches(self) -> AsyncIterator[list[Item]]:
        """Give what has come, until closed.

        Yields:
            Messages in order; none as a sign of life after `HEARTBEAT_S` without any.
        """
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._news.wait()
            except TimeoutError:
                yield []
                continue
            items, closed = self._take()
            if items:
                yield items
            if closed:
                return

    def _take(self) -> tuple[list[Item], bool]:
        with self._lock:
            self._news.clear()
            self._told = False
            items = list(self._waiting)
            self._waiting.clear()
            self._limit = QUEUE
            if self._lost:
                items.insert(0, _lost(self._lost))
                self._lost = Counter()
            return items, self._closed

    def _make_room(self, item: Item) -> bool:
        """Drop the oldest scores, else a score that comes, else the oldest message."""
        place = next((i for i, old in enumerate(self._waiting) if old.kind == SCORES), None)
        if place is None and item.kind == SCORES:
            self._lost[SCORES] += 1
            return False
        self._lost[self._waiting[place or 0].kind] += 1
        del self._waiting[place or 0]
        return True

    def _tell(self) -> None:
        """Wake the listener, once for all that comes before it looks."""
        if not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._news.set)


class Feeds:
    """All listeners of this process, and what they may have missed; thread-safe.

    Without listeners a message costs its place in a list.
    """

    def __init__(self) -> None:
        """Start without listeners."""
        # IDs of an earlier run of the process mean nothing now.
        self._epoch = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._number = 0
        self._events: deque[tuple[int, str, Event]] = deque()
        self._dropped: deque[tuple[int, str]] = deque(maxlen=_COUNTED_EVENTS)
        self._newest: dict[tuple[str, str], Message] = {}
        self._listeners: set[Subscription] = set()
        self._closed = False

    def message(self, stream: str, message: Message) -> None:
        """Hear what was published of a stream."""
        kind = _KIND_OF.get(type(message))
        if kind is None:
            return
        with self._lock:
            number = self._keep(stream, kind, message)
            wanting = [each for each in self._listeners if each.wish.wants(stream, kind)]
            if wanting:
                item = self._item(stream, kind, message, number)
                for listener in wanting:
                    listener.push(item)

    def forget(self, stream: str) -> None:
        """Hear that a stream was removed: whoever listens to it alone is let go."""
        with self._lock:
            for kind in KINDS:
                self._newest.pop((stream, kind), None)
            gone = [each for each in self._listeners if each.wish.stream == stream]
        for listener in gone:
            listener.close()

    def subscribe(self, wish: Wish) -> Subscription:
        """Begin to listen. To be called on the listener's event loop, and undone.

        Args:
            wish: What to hear.

        Returns:
            The subscription. First come state and status as they are, and, with an ID, the events
            since then.

        Raises:
            TooManyListenersError: There are as many listeners as may be.
        """
        with self._lock:
            if self._closed or len(self._listeners) >= MAX_LISTENERS:
                raise TooManyListenersError(
                    f"{len(self._listeners)} programs listen already.",
                    headers={"Retry-After": "5"},
                )
            listener = Subscription(wish, [*self._standing(wish), *self._missed(wish)])
            self._listeners.add(listener)
            return listener

    def unsubscribe(self, listener: Subscription) -> None:
        """Listen no more."""
        with self._lock:
            self._listeners.discard(listener)

    @property
    def listeners(self) -> int:
        """How many listen now."""
        with self._lock:
            return len(self._listeners)

    def close(self) -> None:
        """Let every listener go."""
        with self._lock:
            self._closed = True
            listeners = list(self._listeners)
        for listener in listeners:
            listener.close()

    def _keep(self, stream: str, kind: str, message: Message) -> int | None:
        """Remember what a later listener needs; gives the number of an event."""
        if isinstance(message, Event):
            self._number += 1
            self._events.append((self._number, stream, message))
            if len(self._events) > _KEPT_EVENTS:
                self._dropped.append(self._events.popleft()[:2])
            return self._number
        if kind != SCORES:
            self._newest[stream, kind] = message
        return None

    def _standing(self, wish: Wish) -> list[Item]:
        return [
            self._item(stream, kind, message)
            for (stream, kind), message in self._newest.items()
            if wish.wants(stream, kind)
        ]

    def _missed(self, wish: Wish) -> list[Item]:
        """Events since the last one that a listener heard."""
        if wish.last_id is None or EVENT not in wish.kinds:
            return []
        epoch, _, number = wish.last_id.rpartition("-")
        # The process has started anew since: everything is news.
        last = int(number) if epoch == self._epoch and number.isdecimal() else 0
        lost = sum(n > last and wish.wants(stream, EVENT) for n, stream in self._dropped)
        items = [
            self._item(stream, EVENT, event, number)
            for number, stream, event in self._events
            if number > last and wish.wants(stream, EVENT)
        ]
        return [_lost(Counter({EVENT: lost})), *items] if lost else items

    def _item(self, stream: str, kind: str, message: Message, number: int | None = None) -> Item:
        identity = None if number is None else f"{self._epoch}-{number}"
        return Item(kind, stream, message.to_json().decode(), identity)


def _lost(counts: Counter[str]) -> Item:
    numbers = ",".join(f'"{kind}":{count}' for kind, count in sorted(counts.items()))
    return Item("lost", "", f"{{{numbers}}}")

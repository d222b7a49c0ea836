"""Real workers for tests: what they publish is kept, their API is asked in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from contracts.messages import ControlState, Event, Labels, Scores, StreamStatus
from contracts.settings import Settings, StreamSettings
from inference.api.app import create_api
from inference.history.store import History
from inference.runtime import ActionModel
from inference.tee import TeePublisher
from inference.worker import Worker
from stack.broadcast import DEMO_CLIP
from stack.history import memory_routes
from stack.models import choice_of_models
from stack.sources import make_opener


@dataclass
class Record:
    """Keeps what a worker publishes."""

    statuses: list[StreamStatus] = field(default_factory=list)
    all_labels: list[Labels] = field(default_factory=list)
    all_scores: list[Scores] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    states: list[ControlState] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def status(self, message: StreamStatus) -> None:
        """Keep a state."""
        self.statuses.append(message)

    def labels(self, stream: str, message: Labels) -> None:
        """Keep labels."""
        assert stream
        self.all_labels.append(message)

    def scores(self, message: Scores) -> bool:
        """Keep scores."""
        self.all_scores.append(message)
        return True

    def event(self, message: Event) -> bool:
        """Keep an event."""
        self.events.append(message)
        return True

    def state(self, message: ControlState) -> None:
        """Keep an answer."""
        self.states.append(message)

    def forget(self, stream: str) -> None:
        """Keep a name."""
        self.forgotten.append(stream)


@contextmanager
def running_worker(
    model: ActionModel, record: Record, settings: Settings, history: History | None = None
) -> Iterator[Worker]:
    """Run a worker as the stack does until the context ends."""
    listeners = [history] if history else []
    results = TeePublisher(record, listeners)
    worker = Worker(settings, model, results, make_opener(settings.source))
    worker.equip(choice_of_models(settings.model), history.database if history else None)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def api_of(worker: Worker, history: History | None = None) -> FastAPI:
    """The API of a worker, with the routes to what it remembers."""
    return create_api(worker, lambda: True, memory_routes(worker, history))


def demo(name: str, **more: Any) -> StreamSettings:
    """The demo clip as a stream."""
    return StreamSettings.model_validate({"name": name, "url": str(DEMO_CLIP), **more})


def ask(api: FastAPI, method: str, path: str, **more: Any) -> httpx.Response:
    """One request to an application in this process."""

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(api, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
            return await client.request(method, path, **more)

    return asyncio.run(main())

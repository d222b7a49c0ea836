"""The worker's memory, put together: the file, and the routes that read and write it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter

from contracts.settings import HistorySettings
from inference.api.feedback import feedback_routes
from inference.api.history import history_routes
from inference.api.pictures import picture_routes
from inference.history.database import HistoryError
from inference.history.feedback import FeedbackStore
from inference.history.store import History
from inference.worker import Worker
from streaming.clips import join_pictures

_LOG = logging.getLogger(__name__)
_FEEDBACK_SHARE = 0.25
"""Of the largest size of the history: people's work is never deleted, so it must not fill it."""


@asynccontextmanager
async def open_history(settings: HistorySettings) -> AsyncIterator[History | None]:
    """Have the history open while the context lasts.

    Args:
        settings: Where it is and how much is kept.

    Yields:
        The history, or ``None`` if the settings want none, or if the file cannot be made: who
        watches a stream now should not be stopped by what they may want to know later.

    Raises:
        ConfigError: Another worker uses the file, or a newer version wrote it.
    """
    if not settings.enabled:
        yield None
        return
    try:
        history = await asyncio.to_thread(History, settings)
    except HistoryError as exc:
        _LOG.warning("nothing is kept for later: %s", exc)
        yield None
        return
    try:
        yield history
    finally:
        await asyncio.to_thread(history.close)


def memory_routes(worker: Worker, history: History | None) -> list[APIRouter]:
    """Routes to what a worker remembers.

    Args:
        worker: Whose memory.
        history: What outlives the worker; without it, only the recent past can be asked for.
    """
    room = int(worker.settings.history.max_mb * 1e6 * _FEEDBACK_SHARE)
    store = None if history is None else FeedbackStore(history.database, room)
    return [
        picture_routes(worker),
        history_routes(history, worker.event_pictures),
        feedback_routes(worker, store, join_pictures),
    ]

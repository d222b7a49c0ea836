"""Liveness, readiness and counters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from contracts.messages import StreamStatus
from contracts.types import StreamState
from inference.history.database import HistoryStats
from inference.worker import Worker

_FAMILIES: tuple[tuple[str, str, Callable[[Worker, StreamStatus], float]], ...] = (
    ("actionstream_windows_total", "counter", lambda _, status: status.windows),
    ("actionstream_dropped_windows_total", "counter", lambda _, status: status.dropped),
    (
        "actionstream_stream_live",
        "gauge",
        lambda _, status: int(status.state is StreamState.LIVE),
    ),
    ("actionstream_stream_fps", "gauge", lambda _, status: status.fps or 0.0),
    (
        "actionstream_backlog_frames",
        "gauge",
        lambda worker, status: worker.engine_backlog(status.stream),
    ),
)

_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"description": "What is missing", "content": {"text/plain": {}}}
}


def health_routes(worker: Worker, broker_connected: Callable[[], bool]) -> APIRouter:
    """Routes ``/healthz``, ``/readyz`` and ``/metrics``.

    Args:
        worker: Whose health.
        broker_connected: Whether results leave the process now.

    Returns:
        The routes.
    """
    router = APIRouter(tags=["health"])

    @router.get("/healthz", response_class=PlainTextResponse)
    def healthz() -> str:
        """The process answers."""
        return "ok"

    @router.get("/readyz", response_class=PlainTextResponse, responses=_NOT_READY)
    def readyz(response: Response) -> str:
        """Results are computed and leave the process; 503 says what is missing."""
        if worker.engines.failure is not None:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
            return "the engine failed"
        if not broker_connected():
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
            return "no connection to the MQTT broker"
        # Not a reason to be taken out of service: the results of this moment leave as ever.
        unkept = worker.database.stats.error if worker.database else ""
        return f"ready, but nothing is kept for later: {unkept}" if unkept else "ready"

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> str:
        """Counters in Prometheus' text format."""
        return render_metrics(worker, broker_connected())

    return router


def render_metrics(worker: Worker, connected: bool) -> str:
    """Counters of every stream in Prometheus' text exposition format, version 0.0.4.

    Args:
        worker: Whose streams.
        connected: Whether the broker is reached.
    """
    statuses = worker.statuses()
    lines = ["# TYPE actionstream_broker_connected gauge"]
    lines.append(f"actionstream_broker_connected {int(connected)}")
    for family, kind, value in _FAMILIES:
        lines.append(f"# TYPE {family} {kind}")
        for status in statuses:
            name = status.stream.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            lines.append(f'{family}{{stream="{name}"}} {value(worker, status)}')
    if worker.database is not None:
        lines += _history_metrics(worker.database.stats)
    return "\n".join(lines) + "\n"


def _history_metrics(stats: HistoryStats) -> Iterator[str]:
    for name, kind, value in (
        ("written_total", "counter", stats.written),
        ("dropped_total", "counter", stats.dropped),
        ("waiting", "gauge", stats.waiting),
        ("size_bytes", "gauge", stats.size_bytes),
    ):
        yield f"# TYPE actionstream_history_{name} {kind}"
        yield f"actionstream_history_{name} {value}"

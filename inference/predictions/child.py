"""The child's side: one video after another, confined, and gone when the service is."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable

from contracts.errors import ActionstreamError
from contracts.prediction import Prediction
from inference.predictions.wire import (
    MAX_FRAME,
    TOO_MUCH_MEMORY,
    Done,
    Failed,
    Progress,
    Task,
    frame,
    receive_task,
    report_to_json,
)

_LOG = logging.getLogger(__name__)
_NICE = 5
_PR_SET_PDEATHSIG = 1
_REPORT_EVERY_S = 0.2

OnProgress = Callable[[float, float | None], None]
"""Called with media seconds done and the video's length, if known."""
Work = Callable[[Task, int, OnProgress], tuple[Prediction, bytes]]
"""Scores the video behind a descriptor; gives the answer and its windows as JSON."""


def confine(memory: int) -> None:
    """Bound what this process may do to the machine, for good.

    It yields the processor to everybody else, has at most so much memory of its own, leaves no
    core file, and on Linux is killed when its parent ends, by whatever means.

    Args:
        memory: Most bytes of data, as ``RLIMIT_DATA`` counts them.
    """
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            # It ended before we asked to be told.
            sys.exit(1)


def serve_tasks(channel: socket.socket, work: Work) -> None:
    """Work until the service closes the channel.

    Args:
        channel: The child's end of the pair.
        work: Scores one video.
    """
    while (received := receive_task(channel)) is not None:
        task, video = received
        try:
            answer = _attempt(channel, work, task, video)
        finally:
            os.close(video)
        channel.sendall(answer)


def _attempt(channel: socket.socket, work: Work, task: Task, video: int) -> bytes:
    """Score one video, whatever happens on the way."""
    reporter = _Reporter(channel)
    try:
        prediction, windows = work(task, video, reporter)
    except ActionstreamError as exc:
        code = TOO_MUCH_MEMORY if _is_memory(exc.__cause__) else exc.code
        return _failed(code, str(exc))
    except MemoryError:
        return _failed(TOO_MUCH_MEMORY, f"{task.name} needs too much memory.")
    # The outermost edge of the process: a video must not end it.
    except Exception as exc:  # pylint: disable=broad-exception-caught
        _LOG.exception("cannot score %s", task.name)
        return _failed("failed", f"{task.name} cannot be scored: {type(exc).__name__}: {exc}")
    if len(windows) > MAX_FRAME:
        return _failed("video_too_long", f"{task.name} has too many windows for one answer.")
    return frame(report_to_json(Done(prediction))) + frame(windows)


def _is_memory(cause: BaseException | None) -> bool:
    return isinstance(cause, OSError) and cause.errno == errno.ENOMEM


def _failed(code: str, message: str) -> bytes:
    return frame(report_to_json(Failed(code, message)))


class _Reporter:
    """Tells how far the work is, a few times a second."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._next_s = 0.0

    def __call__(self, media_s: float, duration_s: float | None) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _REPORT_EVERY_S
            self._channel.sendall(frame(report_to_json(Progress(media_s, duration_s))))

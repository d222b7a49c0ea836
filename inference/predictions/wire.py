"""What the service and a child process say to each other, over a pair of connected sockets.

Every message is a frame: its length as four bytes, most significant first, then JSON. A task
carries the video as an open file (``SCM_RIGHTS``), so that the child need not open any path. After
``done`` comes one more frame: the scores of all windows as JSON, handed on unread.
"""

from __future__ import annotations

import socket
import struct
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from contracts.prediction import Prediction

HEADER: Final = struct.Struct(">I")
MAX_FRAME: Final = 64 * 2**20
"""Bytes of the longest frame: the windows of a day of video and more."""
TOOK_TOO_LONG: Final = "took_too_long"
TOO_MUCH_MEMORY: Final = "too_much_memory"
CRASHED: Final = "crashed"
"""Codes of the reasons that are not the video's own."""
_MAX_TASK: Final = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Task:
    """Score the video that comes along.

    Attributes:
        model: Folder of the bundle.
        name: What to call the video in messages.
    """

    model: str
    name: str

    def to_json(self) -> bytes:
        """Serialise."""
        return _TASK.dump_json(self)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is.

    Attributes:
        media_s: Seconds of the video that are done.
        duration_s: Its length, if it states one.
    """

    media_s: float
    duration_s: float | None = None
    kind: Literal["progress"] = "progress"


@dataclass(frozen=True, slots=True)
class Done:
    """The answer; the windows follow."""

    prediction: Prediction
    kind: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no answer.

    Attributes:
        code: Stable code of the reason.
        message: The reason in words.
    """

    code: str
    message: str
    kind: Literal["failed"] = "failed"


Report = Annotated[Progress | Done | Failed, Field(discriminator="kind")]

_TASK = TypeAdapter(Task)
_REPORT: TypeAdapter[Progress | Done | Failed] = TypeAdapter(Report)


def frame(payload: bytes) -> bytes:
    """Put the length before a message."""
    return HEADER.pack(len(payload)) + payload


def report_to_json(report: Progress | Done | Failed) -> bytes:
    """Serialise what a child says."""
    return _REPORT.dump_json(report)


def report_from_json(payload: bytes) -> Progress | Done | Failed:
    """Read what a child says.

    Raises:
        ValueError: It is not one of ours.
    """
    return _REPORT.validate_json(payload)


def receive_task(channel: socket.socket) -> tuple[Task, int] | None:
    """Wait for a task, in the child.

    Args:
        channel: The child's end.

    Returns:
        The task and the video's descriptor, which the caller closes; ``None`` at the end.
    """
    head, files, _, _ = socket.recv_fds(channel, HEADER.size, 1)
    if not files:
        return None
    (length,) = HEADER.unpack(_exactly(channel, HEADER.size, head))
    if length > _MAX_TASK:
        raise ValueError(f"a task of {length} bytes")
    return _TASK.validate_json(_exactly(channel, length)), files[0]


def send_task(channel: socket.socket, task: Task, video: int) -> None:
    """Give a task to a child that waits for one: it is short, so that this does not block.

    Args:
        channel: The service's end.
        task: What to do.
        video: Descriptor of the video, at its start; the child gets one of its own.
    """
    socket.send_fds(channel, [frame(task.to_json())], [video])


def _exactly(channel: socket.socket, size: int, have: bytes = b"") -> bytes:
    parts = bytearray(have)
    while len(parts) < size:
        part = channel.recv(size - len(parts))
        if not part:
            raise ConnectionResetError("the service is gone")
        parts += part
    return bytes(parts)

"""The service's side of one child process: started when needed, killed when in doubt."""

from __future__ import annotations

import asyncio
import signal
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contracts.prediction import Prediction
from inference.api.problems import ApiError
from inference.predictions.errors import VideoRefusedError, refusal
from inference.predictions.wire import (
    CRASHED,
    HEADER,
    MAX_FRAME,
    TOO_MUCH_MEMORY,
    TOOK_TOO_LONG,
    Done,
    Failed,
    Progress,
    Task,
    report_from_json,
    send_task,
)

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a child.

    Attributes:
        arguments: Program and arguments; the number of the channel's descriptor is appended.
        timeout_s: Longest work on one video.
    """

    arguments: Sequence[str]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Scored:
    """What a child made of a video.

    Attributes:
        prediction: The answer.
        windows: The scores of all windows, as JSON.
    """

    prediction: Prediction
    windows: bytes


@dataclass(frozen=True, slots=True)
class _Running:
    process: Process
    channel: socket.socket
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class ScoringProcess:
    """One child that scores one video at a time. Belongs to one task of the event loop."""

    def __init__(self, command: Command) -> None:
        """Start nothing yet.

        Args:
            command: How to start the child.
        """
        self._command = command
        self._running: _Running | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the child, while there is one."""
        return self._running.process.pid if self._running else None

    async def score(self, task: Task, video: int, on_progress: OnProgress) -> Scored:
        """Score a video. Cancelled, it kills the child.

        Args:
            task: What to do.
            video: Descriptor of the video; stays the caller's.
            on_progress: Is told how far the work is.

        Returns:
            The answer.

        Raises:
            VideoRefusedError: The video is to blame; the code says for what.
            PredictionFailedError: It is not.
        """
        sound = False
        try:
            async with asyncio.timeout(self._command.timeout_s):
                running = await self._living()
                send_task(running.channel, task, video)
                scored = await self._listen(running.reader, on_progress)
            sound = True
        except TimeoutError:
            raise VideoRefusedError(
                f"{task.name} took longer than {self._command.timeout_s:g} s "
                "(`predictions.timeout_s`).",
                TOOK_TOO_LONG,
            ) from None
        except (asyncio.IncompleteReadError, ConnectionError) as exc:
            raise VideoRefusedError(
                f"The process that scored {task.name} died ({await self._cause()}). "
                "The file may be damaged.",
                CRASHED,
            ) from exc
        except ApiError as error:
            # A refusal is orderly, but memory that ran out leaves an unknown state.
            sound = error.code != TOO_MUCH_MEMORY
            raise
        finally:
            if not sound:
                await self.kill()
        return scored

    async def kill(self) -> None:
        """End the child at once; the next video starts another."""
        running, self._running = self._running, None
        if running is None:
            return
        running.writer.close()
        if running.process.returncode is None:
            running.process.kill()
        # Not interruptible: a child must not be left behind unwaited for.
        await asyncio.shield(running.process.wait())

    async def _living(self) -> _Running:
        """The child, started unless it runs; one that died while nobody needed it is replaced."""
        running = self._running
        if running is not None and not running.reader.at_eof():
            return running
        await self.kill()
        return await self._start()

    async def _start(self) -> _Running:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command.arguments,
                    str(theirs.fileno()),
                    stdin=DEVNULL,
                    stdout=DEVNULL,
                    pass_fds=[theirs.fileno()],
                    # Ctrl-C on the terminal is for the service, which then ends its children.
                    start_new_session=True,
                )
            except BaseException:
                writer.close()
                raise
        self._running = _Running(process, ours, reader, writer)
        return self._running

    async def _listen(self, reader: asyncio.StreamReader, on_progress: OnProgress) -> Scored:
        while True:
            report = report_from_json(await _read_frame(reader))
            match report:
                case Progress():
                    on_progress(report)
                case Done():
                    return Scored(report.prediction, await _read_frame(reader))
                case Failed():
                    raise refusal(report.code, report.message)

    async def _cause(self) -> str:
        """Say what ended the child."""
        if self._running is None:
            return "it did not start"
        code = await self._running.process.wait()
        if code < 0:
            return signal.Signals(-code).name
        return f"exit code {code}"


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
    if length > MAX_FRAME:
        raise ConnectionResetError("the child sends too much")
    return await reader.readexactly(length)

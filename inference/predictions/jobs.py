"""Jobs: what was asked for, how far it is, what came of it; kept for a while, in bounded number."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from io import FileIO

from inference.api.problems import ApiError
from inference.predictions.errors import KeyReusedError, UnknownJobError
from inference.predictions.process import Scored
from inference.predictions.wire import Progress


class JobState(StrEnum):
    """Where a job, or one video of it, is: ``queued → running → done | failed | cancelled``."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """A video that was taken in.

    Attributes:
        name: As the client calls it.
        file: It, open; closed by whoever holds the video last.
        digest: What tells it from others: SHA-256 of its bytes, or its path.
    """

    name: str
    file: FileIO
    digest: str


@dataclass(slots=True, eq=False)
class Work:
    """One video of a job.

    Attributes:
        video: What to score; its file is closed at the end.
        model: Folder of the bundle.
        state: Where it is.
        progress: How far it is.
        scored: The answer, once done.
        error: Why there is none, once failed or cancelled.
    """

    video: Video
    model: str
    state: JobState = JobState.QUEUED
    progress: Progress = field(default_factory=lambda: Progress(0.0))
    scored: Scored | None = None
    error: ApiError | None = None

    @property
    def share(self) -> float:
        """Share of the work that is done, 0 to 1."""
        if self.state.final:
            return 1.0
        if not self.progress.duration_s:
            return 0.0
        # The stated length may be wrong: only the end is 1.
        return max(0.0, min(0.99, self.progress.media_s / self.progress.duration_s))


@dataclass(slots=True, eq=False)
class Job:
    """One request. Belongs to the event loop.

    Attributes:
        works: Its videos, at least one.
        batch: Whether several videos were asked about, so that the answer is a list.
        created_at: UTC seconds.
        finished_at: UTC seconds, once every video is.
        id: What it is asked for by; cannot be guessed.
    """

    works: Sequence[Work]
    batch: bool
    created_at: float
    finished_at: float | None = None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> JobState:
        """Of all its videos together: failed if all failed, cancelled if one was."""
        states = {work.state for work in self.works}
        if JobState.CANCELLED in states:
            return JobState.CANCELLED
        if all(state.final for state in states):
            return JobState.DONE if JobState.DONE in states else JobState.FAILED
        return JobState.QUEUED if states == {JobState.QUEUED} else JobState.RUNNING

    @property
    def progress(self) -> float:
        """Share of the work that is done, 0 to 1."""
        return sum(work.share for work in self.works) / len(self.works)

    @property
    def media_s(self) -> float:
        """Seconds of video that are done."""
        return sum(work.progress.media_s for work in self.works)

    @property
    def size(self) -> int:
        """Bytes that keeping it takes, roughly."""
        return sum(1024 + (len(work.scored.windows) if work.scored else 0) for work in self.works)

    def notify(self) -> None:
        """Wake everybody who waits for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def change(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    async def end(self) -> None:
        """Wait until nothing more will happen."""
        while not self.state.final:
            await self.change()


@dataclass(frozen=True, slots=True)
class _Key:
    """An idempotency key: which request it stood for, and the job that was made of it."""

    fingerprint: str
    job: str


class JobStore:
    """The jobs that can be asked for. Belongs to the event loop."""

    def __init__(
        self, keep_s: float, max_finished: int = 1000, max_bytes: int = 64 * 2**20
    ) -> None:
        """Start empty.

        Args:
            keep_s: How long a finished job is kept.
            max_finished: Most finished jobs kept; the oldest go first.
            max_bytes: Most bytes of finished jobs kept, but for the newest; the oldest go first.
        """
        self._keep_s = keep_s
        self._max_finished = max_finished
        self._max_bytes = max_bytes
        self._jobs: dict[str, Job] = {}
        self._finished: OrderedDict[str, int] = OrderedDict()
        self._bytes = 0
        self._keys: dict[str, _Key] = {}

    def __iter__(self) -> Iterator[Job]:
        """Go through every job that is known."""
        return iter(list(self._jobs.values()))

    def get(self, job_id: str) -> Job:
        """Look a job up.

        Raises:
            UnknownJobError: There is none of that id, or it was forgotten.
        """
        if (job := self._jobs.get(job_id)) is None:
            raise UnknownJobError(
                "There is no such job.",
                f"A finished job is kept for {self._keep_s:g} s (`predictions.keep_s`) at most.",
            )
        return job

    def repeated(self, key: str | None, fingerprint: str) -> Job | None:
        """Find the job that an earlier request with the same idempotency key made.

        Args:
            key: The key, if the request has one.
            fingerprint: Of the request.

        Raises:
            KeyReusedError: The earlier request was another one.
        """
        known = self._keys.get(key or "")
        if known is None:
            return None
        if known.fingerprint != fingerprint:
            raise KeyReusedError(
                "The Idempotency-Key was used for another request.", "Send a new key."
            )
        return self._jobs[known.job]

    def add(self, job: Job, key: str | None, fingerprint: str) -> None:
        """Keep a new job.

        Args:
            job: The job.
            key: The request's idempotency key, if it has one.
            fingerprint: Of the request.
        """
        self._jobs[job.id] = job
        if key:
            self._keys[key] = _Key(fingerprint, job.id)

    def finish(self, job: Job, now: float) -> None:
        """Note that a job ended, and forget what is kept beyond the bounds.

        Args:
            job: One that is kept.
            now: UTC seconds.
        """
        job.finished_at = now
        self._finished[job.id] = job.size
        self._bytes += job.size
        self.forget(now)

    def forget(self, now: float) -> None:
        """Forget the finished jobs that are too old or too many.

        Args:
            now: UTC seconds.
        """
        while self._finished:
            oldest = self._jobs[next(iter(self._finished))]
            old = now - (oldest.finished_at or now) >= self._keep_s
            many = len(self._finished) > self._max_finished
            large = self._bytes > self._max_bytes and len(self._finished) > 1
            if not (old or many or large):
                return
            self._bytes -= self._finished.pop(oldest.id)
            del self._jobs[oldest.id]
            self._keys = {key: to for key, to in self._keys.items() if to.job != oldest.id}

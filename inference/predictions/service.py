"""Queue, workers and jobs: everything between the request and the child processes."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from contracts.settings import PredictionSettings
from inference.api.problems import ApiError
from inference.api.streams import UnknownModelError
from inference.predictions.errors import (
    CancelledJobError,
    QueueFullError,
    StoppingError,
    TooManyVideosError,
)
from inference.predictions.jobs import Job, JobState, JobStore, Video, Work
from inference.predictions.process import Command, ScoringProcess
from inference.predictions.wire import Progress, Task

_LOG = logging.getLogger(__name__)
_FIRST_GUESS_S = 5.0
_MEAN_WEIGHT = 0.2
# A child that nobody needs holds a hundred megabytes for nothing.
_IDLE_S = 300.0
_LONGEST_RETRY_S = 600

Models = Callable[[], Mapping[str, Path]]
"""The models that can be asked for by name, with the folders of their bundles."""


class Places:
    """Places for videos: in the queue, in work, or on their way in. Any thread may take some."""

    def __init__(self, count: int) -> None:
        """Start with all of them free.

        Args:
            count: How many there are.
        """
        self.count = count
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def free(self) -> int:
        """How many may be taken now."""
        return self.count - self._taken

    def take(self, retry_s: float, count: int, held: int = 0) -> None:
        """Take places, all or none.

        Args:
            retry_s: When one may be free again.
            count: How many.
            held: How many the same request has already.

        Raises:
            TooManyVideosError: There are never so many.
            QueueFullError: So many are not free now.
        """
        if held + count > self.count:
            raise TooManyVideosError(
                f"{held + count} videos in one request are more than the {self.count} places "
                "of the queue.",
                "Send fewer at once, or raise `predictions.queue`.",
            )
        with self._lock:
            if count <= self.free:
                self._taken += count
                return
        wait_s = max(1, min(_LONGEST_RETRY_S, math.ceil(retry_s)))
        raise QueueFullError(
            f"{self.free} of the queue's {self.count} places are free.",
            f"Try again in {wait_s} s.",
            {"Retry-After": str(wait_s)},
        )

    def give_back(self, count: int = 1) -> None:
        """Free places."""
        with self._lock:
            self._taken -= count


class PredictionService:
    """Scores videos in child processes. Belongs to the event loop that it is started in."""

    def __init__(
        self,
        settings: PredictionSettings,
        command: Sequence[str],
        models: Models,
        default_model: Path,
    ) -> None:
        """Prepare; nothing runs before `running`.

        Args:
            settings: Limits.
            command: Program and arguments of a child.
            models: The models that can be asked for.
            default_model: Folder of the bundle that is taken if none is asked for.
        """
        self.settings = settings
        self.places = Places(settings.queue + settings.workers)
        self.jobs = JobStore(settings.keep_s)
        self._models = models
        self._default_model = default_model
        self._command = Command(command, settings.timeout_s)
        self._waiting: deque[tuple[Job, Work]] = deque()
        self._busy: dict[Work, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._mean_s = _FIRST_GUESS_S

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the context lasts; what is unfinished then is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            workers = [
                tasks.create_task(self._work(), name=f"prediction worker {number}")
                for number in range(self.settings.workers)
            ]
            keeper = tasks.create_task(self._forget(), name="prediction keeper")
            try:
                yield
            finally:
                for job in self.jobs:
                    self.cancel(job, StoppingError("The service ends."))
                for task in (*workers, keeper):
                    task.cancel()

    @property
    def retry_s(self) -> float:
        """About when the next place will be free, in seconds."""
        waiting = len(self._waiting) + len(self._busy)
        return self._mean_s * max(1.0, waiting / self.settings.workers)

    def folder_of(self, model: str | None) -> Path:
        """Find a model.

        Args:
            model: Its name; ``None`` is the default.

        Raises:
            UnknownModelError: There is none of that name; the message lists those there are.
        """
        if model is None:
            return self._default_model
        models = self._models()
        if model not in models:
            raise UnknownModelError(
                f"There is no model called {model}.", f"Known: {', '.join(sorted(models))}."
            )
        return models[model]

    def repeated(self, job: Job, key: str | None, fingerprint: str) -> Job | None:
        """Find the job that an earlier request with the same key made; what came again is freed.

        Args:
            job: What this request would make.
            key: Its idempotency key, if it has one.
            fingerprint: Of the request.

        Raises:
            KeyReusedError: The earlier request was another one.
        """
        self.jobs.forget(time.time())
        known: Job | None = None
        fresh = False
        try:
            known = self.jobs.repeated(key, fingerprint)
            fresh = known is None
        finally:
            if not fresh:
                for work in job.works:
                    self._free(work)
        return known

    def submit(self, job: Job, key: str | None, fingerprint: str) -> None:
        """Queue a job; its videos have their places already.

        Args:
            job: The job.
            key: The request's idempotency key, if it has one.
            fingerprint: Of the request.
        """
        self.jobs.add(job, key, fingerprint)
        self._waiting.extend((job, work) for work in job.works)
        self._wake.set()

    def new_job(self, videos: Sequence[Video], model: Path, batch: bool) -> Job:
        """Make a job that is not queued yet.

        Args:
            videos: At least one.
            model: Folder of the bundle.
            batch: Whether the answer is a list.
        """
        return Job([Work(video, str(model)) for video in videos], batch, time.time())

    def cancel(self, job: Job, why: ApiError | None = None) -> None:
        """Stop the work on a job; nothing happens to one that has ended.

        Args:
            job: The job.
            why: What its waiting clients are told.
        """
        for work in job.works:
            if work.state.final:
                continue
            work.error = why or CancelledJobError("The job was cancelled.")
            if (task := self._busy.get(work)) is not None:
                task.cancel()
            else:
                self._waiting = deque(item for item in self._waiting if item[1] is not work)
                self._end(job, work, JobState.CANCELLED)

    async def _work(self) -> None:
        """Score one video after another in a child of one's own."""
        process = ScoringProcess(self._command)
        try:
            while True:
                job, work = await self._next(process)
                task = asyncio.create_task(self._score(process, job, work), name="prediction")
                self._busy[work] = task
                try:
                    await asyncio.wait({task})
                finally:
                    # A second cancellation would break into the clean-up of the first.
                    if not task.cancelling():
                        task.cancel()
                    await asyncio.wait({task})
                    del self._busy[work]
        finally:
            await process.kill()

    async def _next(self, process: ScoringProcess) -> tuple[Job, Work]:
        while not self._waiting:
            self._wake.clear()
            try:
                async with asyncio.timeout(_IDLE_S):
                    await self._wake.wait()
            except TimeoutError:
                await process.kill()
        return self._waiting.popleft()

    async def _score(self, process: ScoringProcess, job: Job, work: Work) -> None:
        def on_progress(progress: Progress) -> None:
            work.progress = progress
            job.notify()

        work.state = JobState.RUNNING
        job.notify()
        started_s = time.monotonic()
        state = JobState.FAILED
        try:
            task = Task(work.model, work.video.name)
            work.scored = await process.score(task, work.video.file.fileno(), on_progress)
            length_s = work.scored.prediction.duration_s
            work.progress = Progress(length_s, length_s)
            state = JobState.DONE
        except asyncio.CancelledError:
            # Asked for by `cancel`, or the service ends: the worker goes on or ends by itself.
            state = JobState.CANCELLED
        except ApiError as error:
            _LOG.info("a prediction failed: %s", error)
            work.error = error
        finally:
            self._mean_s += _MEAN_WEIGHT * (time.monotonic() - started_s - self._mean_s)
            self._end(job, work, state)

    def _end(self, job: Job, work: Work, state: JobState) -> None:
        """Free what a video held, once."""
        work.state = state
        if state is JobState.CANCELLED and work.error is None:
            work.error = StoppingError("The service ends.")
        self._free(work)
        if all(one.state.final for one in job.works):
            self.jobs.finish(job, time.time())
        job.notify()

    def _free(self, work: Work) -> None:
        work.video.file.close()
        self.places.give_back()

    async def _forget(self) -> None:
        """Drop old jobs even if nobody asks."""
        while True:
            await asyncio.sleep(min(60.0, self.settings.keep_s))
            self.jobs.forget(time.time())

"""The file of the history: one writer thread, many readers, and whatever may go wrong with a file.

SQLite in write-ahead mode: readers never wait for the writer, and a process that is killed leaves a
whole file behind that lacks at most what was not committed yet. ``synchronous=NORMAL`` is enough
for that; only a loss of power may take the last transactions with it
(sqlite.org/wal.html, section 2.2, and sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import fcntl
import logging
import os
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from contracts.errors import ActionstreamError, ConfigError
from inference.history.schema import migrate, transaction

QUEUE_CAPACITY = 20_000
"""Half a minute of 64 streams; about 20 MB."""
BATCH_S = 0.5
"""Time between two transactions: what a killed worker loses, and what readers lag behind."""
_UPKEEP_S = 30.0
_READERS = 8
_BUSY_TIMEOUT_S = 5.0
_ENDINGS = ("", "-wal", "-shm")
_DAMAGED = b"damaged"
# Addresses of cameras are kept, some with a password. SQLite treats the files beside it alike.
_PRIVATE = 0o600
_DAMAGE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_FULL_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})
_LOG = logging.getLogger(__name__)

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], object]
Upkeep = Callable[[sqlite3.Connection], bool]
"""One small step of tidying up, in autocommit mode; true if there is more to do."""


class HistoryError(ActionstreamError):
    """The history cannot be read or written now: disk full, no permission, file damaged."""

    code = "history_failed"


@dataclass(frozen=True, slots=True)
class HistoryStats:
    """Counters since the start.

    Attributes:
        written: Writes that were committed.
        dropped: Writes that were lost: the queue or the disk was full.
        waiting: Writes that are not committed yet.
        size_bytes: Size of the file, with what SQLite keeps beside it.
        error: Why nothing can be written now, in words; else empty.
    """

    written: int
    dropped: int
    waiting: int
    size_bytes: int
    error: str


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    work: Work
    done: Future[Any] | None = None


class Database:
    """An open history. Every method may be called from any thread."""

    def __init__(
        self, path: Path, upkeep: Upkeep | None = None, capacity: int = QUEUE_CAPACITY
    ) -> None:
        """Open or make the file, bring it to the newest version and start the writer.

        A damaged file is renamed, with a warning, and a new one begun.

        Args:
            path: The file; missing directories are made.
            upkeep: Called by the writer now and then, and often while it says that there is more.
            capacity: Writes that may wait.

        Raises:
            ConfigError: Another process uses the file, or a newer version wrote it.
            HistoryError: The file cannot be opened or made.
        """
        self.path = path
        self._upkeep = upkeep
        self._upkeep_at = time.monotonic()
        self._capacity = capacity
        self._lock = _lock(path)
        try:
            self._connection = self._open()
        except BaseException:
            os.close(self._lock)
            raise
        self._jobs: deque[_Job] = deque()
        self._work = threading.Condition()
        self._urgent = self._stopping = False
        self._written = self._dropped = 0
        self._error = ""
        self._readers: queue.LifoQueue[sqlite3.Connection | None] = queue.LifoQueue()
        for _ in range(_READERS):
            self._readers.put(None)
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def write(self, what: str | Work, parameters: Sequence[Any] = ()) -> bool:
        """Have something written with the next batch; returns at once.

        Args:
            what: A statement, or a function that is called on the writer's connection, inside the
                batch's transaction; a second time if another write of the batch fails.
            parameters: Of the statement.

        Returns:
            False if too much waits already: the write is dropped and counted.
        """
        work = partial(_execute, what, parameters) if isinstance(what, str) else what
        return self._put(_Job(work))

    def write_now(
        self, work: Callable[[sqlite3.Connection], Result], timeout_s: float = _BUSY_TIMEOUT_S
    ) -> Result:
        """Have something written and wait until it is committed.

        Args:
            work: Called on the writer's connection, inside the batch's transaction.
            timeout_s: How long to wait.

        Returns:
            What the function returned.

        Raises:
            HistoryError: It could not be written, or not in time. What the function itself raises
                comes out as it is, and nothing of it is written.
        """
        done: Future[Result] = Future()
        if not self._put(_Job(work, done)):
            raise HistoryError("The history takes nothing more now.", "Try again in a second.")
        try:
            return done.result(timeout_s)
        except TimeoutError as exc:
            raise HistoryError("The history is too slow now.", "Try again in a second.") from exc
        except sqlite3.Error as exc:
            raise HistoryError(f"The history cannot be written: {exc}.") from exc

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Borrow a connection that can only read; all of the block sees the same state of the file.

        Yields:
            The connection; its rows are ``sqlite3.Row``.

        Raises:
            HistoryError: The file cannot be read.
        """
        connection = self._readers.get()
        try:
            if connection is None:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()
        except sqlite3.Error as exc:
            self._note_damage(exc)
            raise HistoryError(f"The history cannot be read: {exc}.") from exc
        finally:
            self._readers.put(connection)

    @property
    def stats(self) -> HistoryStats:
        """Counters of this moment."""
        with self._work:
            size = sum(file.stat().st_size for file in self._files() if file.exists())
            return HistoryStats(self._written, self._dropped, len(self._jobs), size, self._error)

    def flush(self) -> None:
        """Wait until everything that was handed over before is committed.

        Raises:
            HistoryError: It was not in time.
        """
        self.write_now(lambda _: None)

    def close(self, timeout_s: float = 5.0) -> None:
        """Commit what waits, close the file and let others use it."""
        with self._work:
            self._stopping = True
            self._work.notify_all()
        self._thread.join(timeout_s)
        for _ in range(_READERS):
            with suppress(queue.Empty):
                if (connection := self._readers.get_nowait()) is not None:
                    connection.close()
        os.close(self._lock)

    def _put(self, job: _Job) -> bool:
        with self._work:
            if self._stopping or len(self._jobs) >= self._capacity:
                self._dropped += 1
                return False
            self._jobs.append(job)
            self._urgent = self._urgent or job.done is not None
            # The writer sleeps through a batch's half second unless there is a reason to hurry.
            if self._urgent or len(self._jobs) in (1, self._capacity // 2):
                self._work.notify_all()
            return True

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                if batch:
                    self._commit(batch)
                self._tidy()
        finally:
            self._connection.close()

    def _next_batch(self) -> list[_Job] | None:
        """Wait for jobs, and a while longer for more; empty when it is time to tidy up."""
        with self._work:
            self._work.wait_for(
                lambda: self._jobs or self._stopping,
                max(0.0, self._upkeep_at - time.monotonic()) if self._upkeep else None,
            )
            if self._jobs:
                self._work.wait_for(self._must_hurry, BATCH_S)
            elif self._stopping:
                return None
            batch = list(self._jobs)
            self._jobs.clear()
            self._urgent = False
            return batch

    def _must_hurry(self) -> bool:
        return self._urgent or self._stopping or len(self._jobs) >= self._capacity // 2

    def _commit(self, batch: list[_Job]) -> None:
        try:
            with transaction(self._connection):
                results = [job.work(self._connection) for job in batch]
        except Exception as exc:  # pylint: disable=broad-exception-caught # edge of the thread
            self._commit_each(batch, exc)
            return
        self._succeeded(len(batch))
        for job, result in zip(batch, results, strict=True):
            if job.done is not None:
                job.done.set_result(result)

    def _commit_each(self, batch: list[_Job], reason: Exception) -> None:
        """After a batch failed: the jobs one by one, so that a bad one does not take the others."""
        for job in batch:
            if len(batch) == 1 or _primary_code(reason) in _DAMAGE_CODES | _FULL_CODES:
                self._failed(reason, job)
            else:
                self._commit([job])

    def _succeeded(self, count: int) -> None:
        with self._work:
            self._written += count
            recovered, self._error = self._error, ""
        if recovered:
            _LOG.info("the history is written again")

    def _failed(self, reason: Exception, job: _Job) -> None:
        if job.done is not None:
            job.done.set_exception(reason)
            if not isinstance(reason, sqlite3.Error):
                return
        with self._work:
            self._dropped += 1
            known, self._error = self._error, str(reason)
        if not known:
            _LOG.warning("the history is not written: %s (%s)", reason, self.path)
        self._note_damage(reason)

    def _tidy(self) -> None:
        now = time.monotonic()
        if self._upkeep is None or now < self._upkeep_at or self._stopping:
            return
        try:
            more = self._upkeep(self._connection)
        except sqlite3.Error as exc:
            _LOG.warning("the history cannot be tidied up: %s", exc)
            self._note_damage(exc)
            more = False
        self._upkeep_at = now + (BATCH_S / 10 if more else _UPKEEP_S)

    def _open(self) -> sqlite3.Connection:
        if os.pread(self._lock, len(_DAMAGED), 0) == _DAMAGED:
            self._set_aside()
        try:
            return self._prepare()
        except sqlite3.DatabaseError as exc:
            if _primary_code(exc) not in _DAMAGE_CODES:
                raise _cannot_open(self.path, exc) from exc
        self._set_aside()
        try:
            return self._prepare()
        except sqlite3.Error as exc:
            raise _cannot_open(self.path, exc) from exc

    def _prepare(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            # Before the first table is made; without effect afterwards.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA journal_size_limit = 4000000")
            migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )

    def _note_damage(self, error: Exception) -> None:
        """Have a damaged file set aside at the next start; it may be readable in parts now."""
        if _primary_code(error) in _DAMAGE_CODES:
            os.pwrite(self._lock, _DAMAGED, 0)

    def _files(self) -> list[Path]:
        return [Path(f"{self.path}{ending}") for ending in _ENDINGS]

    def _set_aside(self) -> None:
        to = self.path.with_name(f"{self.path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
        for file, ending in zip(self._files(), _ENDINGS, strict=True):
            with suppress(FileNotFoundError):
                file.rename(f"{to}{ending}")
        os.truncate(self._lock, 0)
        self.path.touch(mode=_PRIVATE)
        _LOG.warning("the history was damaged: a new one begins, the old one is %s", to)


def _execute(statement: str, parameters: Sequence[Any], connection: sqlite3.Connection) -> None:
    connection.execute(statement, parameters)


def _primary_code(error: Exception) -> int:
    """Lower byte of SQLite's error code, which names the kind (sqlite.org/rescode.html)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _cannot_open(path: Path, error: Exception) -> HistoryError:
    return HistoryError(
        f"The history cannot be kept in {path}: {error}.",
        "Set `history.path` to a file that can be written, or `history.enabled` to false.",
    )


def _lock(path: Path) -> int:
    """Keep other processes from the file; the system lets go of it however this one ends.

    Returns:
        Descriptor of the file beside it that is locked while it is open.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
        path.touch(mode=_PRIVATE)
    except OSError as exc:
        raise _cannot_open(path, exc) from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(lock)
        raise ConfigError(
            f"Another worker keeps its history in {path}.",
            "Give each worker a `history.path` of its own, or set `history.enabled` to false.",
        ) from exc
    return lock

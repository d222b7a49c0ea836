"""The file of the history: killed writers, full disks, damage, other workers, other versions."""

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from contracts.errors import ConfigError
from contracts.settings import HistorySettings
from inference.history import schema
from inference.history.database import Database, HistoryError
from inference.history.schema import MIGRATIONS, migrate
from inference.history.store import History, default_path
from stack.history import open_history
from tests.conftest import wait_for

_INSERT = "INSERT INTO streams (name) VALUES (?)"


@pytest.fixture(name="path")
def fixture_path(tmp_path: Path) -> Path:
    """Where a test keeps its history."""
    return tmp_path / "new" / "history.sqlite3"


@pytest.fixture(name="database")
def fixture_database(path: Path) -> Iterator[Database]:
    """An empty history."""
    with closing(Database(path)) as database:
        yield database


def _names(database: Database) -> list[str]:
    with database.read() as connection:
        return [row["name"] for row in connection.execute("SELECT name FROM streams ORDER BY id")]


def test_what_was_written_is_read_by_the_next_worker(path: Path) -> None:
    with closing(Database(path)) as database:
        for number in range(100):
            assert database.write(_INSERT, (f"s{number}",))
    with closing(Database(path)) as database:
        assert _names(database) == [f"s{number}" for number in range(100)]


_WRITER = """
import itertools, sys, time
from pathlib import Path
from inference.history.database import Database

database = Database(Path(sys.argv[1]))
for number in itertools.count(1):
    database.write("INSERT INTO streams (name) VALUES (?)", (str(number),))
    while number % 50 == 0:
        with database.read() as connection:
            if connection.execute("SELECT count(*) FROM streams").fetchone()[0] == number:
                print(number, flush=True)
                break
        time.sleep(0.01)
"""


def test_nobody_else_may_read_it(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(Database(path)) as database:
        database.write(_INSERT, ("hall",))
        database.flush()
        files = list(path.parent.glob(f"{path.name}*"))
        assert len(files) >= 3
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_killed_worker_loses_at_most_its_last_batch(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        seen = [int(child.stdout.readline()) for _ in range(2)]
        child.send_signal(signal.SIGKILL)
    with closing(Database(path)) as database:
        names = _names(database)
        assert seen == [50, 100]
        assert len(names) >= 100
        assert names == [str(number) for number in range(1, len(names) + 1)]
        assert database.write_now(lambda connection: connection.execute(_INSERT, ("more",)))


def test_a_second_worker_is_told_which_setting_to_change(database: Database) -> None:
    with pytest.raises(ConfigError, match=r"history\.path"):
        Database(database.path)


def test_the_file_is_free_again_once_closed_or_refused(path: Path) -> None:
    Database(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    for _ in range(2):
        with pytest.raises(ConfigError, match="newer version"):
            Database(path)


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_files_of_every_earlier_version_are_brought_forward(path: Path, version: int) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:version])
        connection.execute(_INSERT, ("kept",))
    with closing(Database(path)) as database, database.read() as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
        assert connection.execute("SELECT name FROM streams").fetchone()["name"] == "kept"
        assert connection.execute("SELECT count(*) FROM feedback").fetchone()[0] == 0


def test_a_step_that_fails_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Database(path).close()
    broken = ("CREATE TABLE half (id INTEGER)", "CREATE TABLE streams (id INTEGER)")
    monkeypatch.setattr(schema.migrate, "__defaults__", ((*MIGRATIONS, broken),))
    with pytest.raises(HistoryError, match="already exists"):
        Database(path)
    monkeypatch.undo()
    with closing(Database(path)) as database, database.read() as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'")
        assert tables.fetchall() == []


def test_a_file_that_is_no_database_is_set_aside(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"nonsense" * 1000)
    with closing(Database(path)) as database:
        assert _names(database) == []
    (aside,) = path.parent.glob("*.damaged-*")
    assert aside.read_bytes() == b"nonsense" * 1000
    assert str(aside) in caplog.text


def test_damage_met_on_the_way_is_set_aside_at_the_next_start(path: Path) -> None:
    with closing(Database(path)) as database:
        database.write(_INSERT, ("lost",))
    data = bytearray(path.read_bytes())
    data[4096 : 8 * 4096] = b"x" * (7 * 4096)
    path.write_bytes(data)
    with closing(Database(path)) as database, pytest.raises(HistoryError, match="malformed"):
        _names(database)
    with closing(Database(path)) as database:
        assert _names(database) == []
    assert list(path.parent.glob("*.damaged-*"))


def _block(database: Database) -> threading.Event:
    """Keep the writer busy until the event is set."""
    entered, release = threading.Event(), threading.Event()

    def work(_: sqlite3.Connection) -> None:
        entered.set()
        release.wait(10)

    database.write(work)
    assert entered.wait(10)
    return release


def test_a_full_queue_drops_and_counts_and_never_waits(path: Path) -> None:
    with closing(Database(path, capacity=10)) as database:
        release = _block(database)
        taken = [database.write(_INSERT, (str(number),)) for number in range(15)]
        assert taken == [True] * 10 + [False] * 5
        with pytest.raises(HistoryError, match="takes nothing more"):
            database.flush()
        assert (database.stats.dropped, database.stats.waiting) == (6, 10)
        release.set()
        wait_for(lambda: len(_names(database)) == 10, "ten names")


def test_a_write_that_fails_takes_no_other_with_it(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    release = _block(database)
    for name in ("a", "a", "b"):
        database.write(_INSERT, (name,))
    release.set()
    database.flush()
    assert _names(database) == ["a", "b"]
    assert database.stats.dropped == 1
    assert "UNIQUE" in caplog.text


def test_what_a_writing_function_raises_reaches_its_caller(database: Database) -> None:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute(_INSERT, ("half",))
        raise LookupError("not there")

    with pytest.raises(LookupError, match="not there"):
        database.write_now(work)
    assert _names(database) == []
    assert database.stats.dropped == 0


def test_a_full_disk_is_said_once_and_survived(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def limit(pages: int) -> None:
        database.write_now(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchall())

    limit(1)
    for _ in range(3):
        with pytest.raises(HistoryError, match="full"):
            database.write_now(lambda connection: connection.execute(_INSERT, ("x" * 50_000,)))
    assert "full" in database.stats.error
    assert caplog.text.count("disk is full") == 1
    caplog.set_level(logging.INFO)
    limit(1_000_000)
    database.write(_INSERT, ("x" * 50_000,))
    database.flush()
    assert database.stats.error == ""
    assert database.stats.dropped == 3
    assert "written again" in caplog.text


def test_a_directory_that_cannot_be_made_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HistoryError, match=r"history\.enabled"):
        Database(tmp_path / "file" / "history.sqlite3")


def test_the_stack_goes_on_without_a_history(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")

    async def opened(settings: HistorySettings) -> History | None:
        async with open_history(settings) as history:
            return history

    broken = HistorySettings(path=tmp_path / "file" / "history.sqlite3")
    assert asyncio.run(opened(broken)) is None
    assert "nothing is kept" in caplog.text
    assert asyncio.run(opened(HistorySettings(enabled=False))) is None
    assert asyncio.run(opened(HistorySettings(path=tmp_path / "h.sqlite3"))) is not None


def test_readers_see_whole_writes_and_never_wait_for_the_writer(database: Database) -> None:
    def pair(number: int) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_INSERT, (f"{number} left",))
            connection.execute(_INSERT, (f"{number} right",))

        database.write(work)

    def count(_: int) -> int:
        with database.read() as connection:
            first, second = (
                connection.execute("SELECT count(*) FROM streams").fetchone()[0] for _ in range(2)
            )
            assert first == second
            return int(first)

    with ThreadPoolExecutor(12) as readers:
        counts = readers.map(count, range(300))
        for number in range(1000):
            pair(number)
        assert all(number % 2 == 0 for number in counts)
    release = _block(database)
    assert count(0) % 2 == 0
    release.set()
    database.flush()
    assert count(0) == 2000


def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(HistoryError, match="readonly"), database.read() as connection:
        connection.execute(_INSERT, ("x",))


def test_tidying_goes_on_while_there_is_more_and_never_delays_writes(path: Path) -> None:
    steps: list[int] = []

    def upkeep(_: sqlite3.Connection) -> bool:
        steps.append(len(steps))
        return len(steps) < 5

    with closing(Database(path, upkeep)) as database:
        wait_for(lambda: len(steps) == 5, "five steps")
        database.flush()
        assert len(steps) == 5


def test_the_usual_place_is_the_data_directory_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path() == tmp_path / "actionstream" / "history.sqlite3"
    monkeypatch.setenv("XDG_DATA_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".local/share/actionstream/history.sqlite3"

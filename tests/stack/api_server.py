"""The worker's whole REST API, served in this process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contracts.settings import Settings
from stack.assembly import Assembled, assemble
from stack.serving import serve


def settings_for(folder: Path, **sections: Any) -> Settings:
    """Settings of a worker that keeps everything below a folder and analyses no stream."""
    history = {"path": str(folder / "history.sqlite3")}
    api = {"port": 0}
    return Settings.model_validate({"streams": [], "history": history, "api": api} | sections)


@contextmanager
def served(settings: Settings) -> Iterator[tuple[str, Assembled]]:
    """Serve the API from a thread until the context ends; gives its URL."""
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    found: list[tuple[str, Assembled]] = []

    async def main() -> None:
        async with (
            assemble(settings, "rtsp://127.0.0.1:9") as parts,
            parts.predictions.running(),
            serve(parts.api, settings.api.host, settings.api.port, "api.port") as port,
        ):
            found.append((f"http://127.0.0.1:{port}", parts))
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(main())
        finally:
            ready.set()
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=run, name="api")
    thread.start()
    ready.wait(90)
    try:
        assert found, "the API did not start"
        yield found[0]
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(30)


def children() -> list[int]:
    """Process ids of the scoring children of this process (Linux)."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            scorer = b"stack.scorer" in (entry / "cmdline").read_bytes()
        except OSError:
            # It ended while we looked.
            continue
        if parent == os.getpid() and scorer:
            found.append(int(entry.name))
    return found

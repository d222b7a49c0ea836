"""Print every action of every stream as it begins and ends, over HTTP: no MQTT client is needed.

    python examples/follow_feed.py [URL] [TOKEN]

Only httpx is used, so that the file can be copied anywhere. A broken connection is taken up again
where it ended.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime

import httpx


def messages(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """Server-sent events: fields, one a line, and an empty line behind each message."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif not line:
            yield fields
            fields = {}


def tell(message: dict[str, str]) -> None:
    """Say what happened; the same id marks the messages of one action."""
    event = json.loads(message.get("data", "{}"))
    if message.get("event") == "lost":
        print(f"some messages were lost: {event}", flush=True)
    elif message.get("event") == "event":
        clock = datetime.fromtimestamp(event["start"]).strftime("%H:%M:%S")
        words = {"new": "began", "update": "goes on", "end": "is over"}[event["type"]]
        print(f"{clock} {event['stream']}: {event['label']} {words}", flush=True)


def main() -> None:
    """Listen until interrupted."""
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    headers = {"Authorization": f"Bearer {sys.argv[2]}"} if len(sys.argv) > 2 else {}
    # The worker sends a sign of life after ten seconds of silence.
    timeout = httpx.Timeout(5, read=30)
    while True:
        try:
            with httpx.stream(
                "GET", f"{url}/v1/live?kinds=event", headers=headers, timeout=timeout
            ) as answer:
                answer.raise_for_status()
                for message in messages(answer.iter_lines()):
                    headers |= {"Last-Event-ID": message["id"]} if "id" in message else {}
                    tell(message)
        except httpx.TransportError as problem:
            print(f"{url}: {problem}; trying again", file=sys.stderr)
        time.sleep(2)


if __name__ == "__main__":
    main()

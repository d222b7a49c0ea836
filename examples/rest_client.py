"""Send a video to the REST API, follow the work, and print what the video shows.

    python examples/rest_client.py VIDEO [URL] [TOKEN]

Only httpx is used, so that the file can be copied anywhere.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx


def main() -> None:
    """Upload, follow, print."""
    video = Path(sys.argv[1])
    url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8000"
    headers = {"Authorization": f"Bearer {sys.argv[3]}"} if len(sys.argv) > 3 else {}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as api:
        job = upload(api, video)
        follow(api, job)
        show(api.get(job).raise_for_status().json())


def upload(api: httpx.Client, video: Path) -> str:
    """Send the file, again while the queue is full; gives the path of the job.

    The key makes a repeated request harmless: should the connection break, send it again.
    """
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Prefer": "respond-async"}
    while True:
        with video.open("rb") as file:
            answer = api.post("/v1/predictions", files={"file": file}, headers=headers)
        if answer.status_code == 202:
            return answer.headers["Location"]
        if answer.status_code != 429:
            sys.exit(f"{answer.json()['code']}: {answer.json()['detail']}")
        time.sleep(int(answer.headers["Retry-After"]))


def follow(api: httpx.Client, job: str) -> None:
    """Print the progress as server-sent events tell it, until the end."""
    with api.stream("GET", f"{job}/events") as events:
        for line in events.iter_lines():
            if line.startswith("data: "):
                told = json.loads(line.removeprefix("data: "))
                print(f"{told['state']} {told['progress']:.0%}", file=sys.stderr)


def show(job: dict[str, Any]) -> None:
    """Print the strongest class, and every action with its time."""
    if job["state"] != "done":
        sys.exit(f"{job['problem']['code']}: {job['problem']['detail']}")
    found = job["result"]
    print(f"{found['label']} {found['probability']:.0%}")
    for segment in found["segments"]:
        print(f"{segment['start']:7.2f} s to {segment['end']:7.2f} s  {segment['label']}")


if __name__ == "__main__":
    main()

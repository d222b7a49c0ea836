"""What the REST API costs beside the model: many clips, several clients, one worker.

    python -m benchmarks.rest_predictions [--clips 200] [--clients 8] [--workers 1]

Serves the real API in this process, sends five seconds of the demo clip again and again, and
measures, at the same low priority, what decoding alone and the model alone take of the same clip.
Times on the wall depend on what else the machine does; those of the processor hardly do, so that
the ratio of processor times says what uploading, queueing and the child process add.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx

from contracts.settings import Settings
from inference.prediction import score_video
from inference.worker import window_spec
from stack.models import open_model
from streaming.files import read_frames
from tests.stack.api_server import served, settings_for
from tests.videos import cut

CLIP_S = 5.0
ALONE = 5
NICE = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds a clip.

    Attributes:
        wall: On the wall.
        cpu: Of the processor.
    """

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured.

    Attributes:
        clips: Clips scored.
        clients: Clients that sent them.
        per_s: Clips a second.
        p50_s: Median time from sending to the answer.
        p95_s: 95th percentile of it.
        refused: Answers that the queue was full; each was tried again.
        api: Everything: this process with its clients, and the children.
        decode: Decoding and shrinking alone.
        model: The model alone, on frames in memory.
        ratio: Processor time of everything, by that of decoding and the model.
        load: Load of the machine in the last minute, at the end.
        cores: Its processor cores.
    """

    clips: int
    clients: int
    per_s: float
    p50_s: float
    p95_s: float
    refused: int
    api: Cost
    decode: Cost
    model: Cost
    ratio: float
    load: float
    cores: int


def cpu_s() -> float:
    """Processor seconds of this process and of the children that ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def measure(what: Callable[[], object], times: int) -> Cost:
    """Mean cost of something, after a first time that does not count."""
    what()
    wall_s, started_cpu_s = time.perf_counter(), cpu_s()
    for _ in range(times):
        what()
    spent_s = time.perf_counter() - wall_s
    return Cost(round(spent_s / times, 3), round((cpu_s() - started_cpu_s) / times, 3))


def alone(clip: Path) -> tuple[Cost, Cost]:
    """Cost of decoding, and of the model, without any service."""
    settings = Settings()
    model = open_model(settings.model)
    spec, sampling = window_spec(model.bundle, settings), model.bundle.input.sampling
    frames = list(read_frames(clip, sampling))
    decode = measure(lambda: list(read_frames(clip, sampling)), ALONE)
    return decode, measure(lambda: score_video(model, spec, frames), ALONE)


def send_all(url: str, clip: bytes, clips: int, clients: int) -> tuple[list[float], int]:
    """Send clips from several clients; gives the time of each answer, and how many came in vain."""
    times: list[float] = []
    refused: list[float] = []

    def one_client(count: int) -> None:
        with httpx.Client(base_url=url, timeout=600) as client:
            while count:
                started_s = time.perf_counter()
                answer = client.post("/v1/predictions", files={"file": ("clip.mp4", clip)})
                if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                    refused.append(float(answer.headers["Retry-After"]))
                    time.sleep(refused[-1])
                    continue
                answer.raise_for_status()
                times.append(time.perf_counter() - started_s)
                count -= 1

    shares = [clips // clients + (number < clips % clients) for number in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(one_client, shares))
    return times, len(refused)


def through_api(clip: Path, clips: int, clients: int, workers: int) -> dict[str, Any]:
    """Send clips through the API; gives the figures that concern it."""
    data, started_cpu_s = clip.read_bytes(), cpu_s()
    settings = settings_for(clip.parent, predictions={"workers": workers})
    with served(settings) as (url, _):
        send_all(url, data, workers, workers)
        started_s = time.perf_counter()
        times, refused = send_all(url, data, clips, clients)
        wall_s = time.perf_counter() - started_s
    # The children ended with the service: what they used is counted now, starting included.
    return {
        "clips": clips,
        "clients": clients,
        "per_s": round(clips / wall_s, 2),
        "p50_s": round(statistics.median(times), 2),
        "p95_s": round(statistics.quantiles(times, n=20)[-1], 2),
        "refused": refused,
        "api": Cost(round(wall_s / clips, 3), round((cpu_s() - started_cpu_s) / clips, 3)),
    }


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description="Cost of predictions over REST.")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = cut(Path(folder), CLIP_S)
        measured = through_api(clip, chosen.clips, chosen.clients, chosen.workers)
        with ProcessPoolExecutor(1, get_context("spawn"), os.nice, (NICE,)) as pool:
            decode, model = pool.submit(alone, clip).result()
    figures = Figures(
        **measured,
        decode=decode,
        model=model,
        ratio=round(measured["api"].cpu / (decode.cpu + model.cpu), 2),
        load=round(os.getloadavg()[0], 1),
        cores=os.cpu_count() or 1,
    )
    print(json.dumps(asdict(figures), indent=2))


if __name__ == "__main__":
    main()

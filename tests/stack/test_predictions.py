"""Videos over REST, with real processes and a real server: answers, jobs, and hostile files."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from contracts.settings import Settings
from inference.prediction import predict, score_video
from inference.worker import window_spec
from stack.broadcast import DEMO_CLIP
from stack.models import open_model
from stack.scorer import child_command
from streaming.files import read_frames
from tests.conftest import wait_for
from tests.stack.api_server import children, served, settings_for
from tests.videos import blank, cut

CLIP_S = 2.0
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
# Another's machine may be slow and busy; a child starts at low priority.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(name="media", scope="module")
def fixture_media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A media root with one clip, beside a secret."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "secret.mp4").write_bytes(b"secret")
    media = folder / "media"
    media.mkdir()
    cut(media, CLIP_S)
    return media


@pytest.fixture(name="api", scope="module")
def fixture_api(media: Path) -> Iterator[httpx.Client]:
    """A client of a running service with narrow limits."""
    limits = {
        "media_root": str(media),
        "max_mb": 3,
        "max_duration_s": 70,
        "max_pixels": 640 * 360,
        "queue": 2,
        "workers": 2,
    }
    with (
        served(settings_for(media.parent, predictions=limits)) as (url, _),
        httpx.Client(base_url=url, timeout=200) as client,
    ):
        yield client


@pytest.fixture(name="clip", scope="module")
def fixture_clip(media: Path) -> bytes:
    """Two seconds of the demo clip."""
    return (media / "clip.mp4").read_bytes()


def send(api: httpx.Client, data: bytes, **params: str) -> httpx.Response:
    """Upload one file."""
    return api.post("/v1/predictions", files={"file": ("clip.mp4", data)}, params=params)


def test_scores_are_those_of_the_same_code_elsewhere(
    api: httpx.Client, media: Path, clip: bytes
) -> None:
    settings = Settings()
    model = open_model(settings.model)
    frames = read_frames(media / "clip.mp4", model.bundle.input.sampling)
    scored = score_video(model, window_spec(model.bundle, settings), frames)
    expected = json.loads(predict(model.bundle, scored, settings.events).to_json())

    answer = send(api, clip, windows="true").json()
    windows = answer.pop("windows")

    assert answer["scores"] == pytest.approx(expected["scores"], abs=2e-4)
    assert answer["label"] == expected["label"]
    assert [s["label"] for s in answer["segments"]] == [s["label"] for s in expected["segments"]]
    assert windows["labels"] == list(model.bundle.label_names)
    assert windows["start"] == [round(w.media.start, 3) for w in scored.windows]
    np.testing.assert_allclose(windows["scores"], [w.scores for w in scored.windows], atol=2e-4)


def test_three_forms_give_one_answer(api: httpx.Client, clip: bytes) -> None:
    sent = send(api, clip).json()
    named = api.post("/v1/predictions", json={"path": "clip.mp4"}).json()
    inline = api.post("/v1/predictions", json={"video": base64.b64encode(clip).decode()}).json()
    assert sent == named == inline
    assert "windows" not in sent


def test_a_batch_has_an_answer_for_each_video(api: httpx.Client, clip: bytes) -> None:
    files = [("file", ("good.mp4", clip)), ("file", ("C:\\bad.mp4", b"nothing"))]
    good, bad = api.post("/v1/predictions", files=files).json()["predictions"]
    assert (good["video"], bad["video"]) == ("good.mp4", "bad.mp4")
    assert good["label"]
    assert bad["problem"]["code"] == "not_a_video"
    named = api.post("/v1/predictions", json={"paths": ["clip.mp4"]}).json()["predictions"]
    assert named[0] | {"video": "good.mp4"} == good


def test_a_job_tells_its_progress_and_keeps_its_result(api: httpx.Client, clip: bytes) -> None:
    accepted = send(api, clip, wait="false")
    assert accepted.status_code == 202
    job = accepted.headers["Location"]
    assert accepted.json()["state"] in ("queued", "running")
    assert job.endswith(accepted.json()["id"])

    with api.stream("GET", f"{job}/events") as feed:
        assert feed.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in feed.iter_lines() if line]
    told = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    progress = [one["progress"] for one in told]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    assert [line for line in lines if line.startswith("event:")][-1] == "event: done"

    shown = api.get(job).json()
    assert shown["result"] == send(api, clip).json()
    assert shown["media_s"] == pytest.approx(CLIP_S, abs=0.1)
    saved = api.get(f"{job}/result.json").json()
    table = api.get(f"{job}/result.csv")
    assert "attachment" in table.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(table.text)))
    assert rows[0] == ["video", "start", "end", *saved["windows"]["labels"]]
    assert [float(row[1]) for row in rows[1:]] == saved["windows"]["start"]


def test_a_key_makes_one_job(api: httpx.Client, clip: bytes) -> None:
    def ask(data: bytes) -> httpx.Response:
        return api.post(
            "/v1/predictions",
            files={"file": ("clip.mp4", data)},
            headers={"Idempotency-Key": "k1", "Prefer": "respond-async"},
        )

    first, again, other = ask(clip), ask(clip), ask(clip + b"0")
    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert api.delete(first.headers["Location"]).status_code == 200


def test_a_full_queue_refuses_and_a_cancelled_job_makes_room(api: httpx.Client) -> None:
    long = DEMO_CLIP.read_bytes()
    jobs = [send(api, long, wait="false").headers["Location"] for _ in range(4)]
    full = send(api, long, wait="false")
    assert (full.status_code, full.json()["code"]) == (429, "queue_full")
    assert int(full.headers["Retry-After"]) >= 1
    for job in jobs:
        assert api.delete(job).json()["state"] == "cancelled"
    assert api.get(jobs[0]).json()["problem"]["code"] == "cancelled"
    assert api.get(f"{jobs[0]}/result.csv").json()["code"] == "no_result"
    batch = api.post("/v1/predictions", json={"paths": ["clip.mp4"] * 5})
    assert (batch.status_code, batch.json()["code"]) == (422, "too_many_videos")
    again = send(api, long, wait="false")
    assert again.status_code == 202
    assert api.delete(again.headers["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"path": "../secret.mp4"}, 403, "outside_media_root"),
        ({"path": "/etc/passwd"}, 403, "outside_media_root"),
        ({"path": "nothing.mp4"}, 404, "source_not_found"),
        ({"paths": ["clip.mp4", "../secret.mp4"]}, 403, "outside_media_root"),
        ({"video": "not base64!"}, 422, "invalid_request"),
        ({"video": "AAAA", "path": "clip.mp4"}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
        ([], 422, "invalid_request"),
    ],
)
def test_requests_that_cannot_be_served(
    api: httpx.Client, body: object, status: int, code: str
) -> None:
    answer = api.post("/v1/predictions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_other_bodies_are_refused(api: httpx.Client, clip: bytes) -> None:
    def code(**request: Any) -> str:
        return str(api.post("/v1/predictions", **request).json()["code"])

    form = {"Content-Type": "multipart/form-data; boundary=b"}
    assert code(content=clip, headers={"Content-Type": "video/mp4"}) == "unsupported_media_type"
    assert code(content=b"{", headers={"Content-Type": "application/json"}) == "malformed_request"
    assert code(content=b"--b\r\n", headers=form) == "malformed_request"
    assert code(files={"other": ("x", clip)}) == "invalid_request"
    assert code(files={"file": ("x", clip)}, params={"model": "../everyday"}) == "unknown_model"
    assert api.get("/v1/jobs/nothing").json()["code"] == "unknown_job"


def test_too_many_bytes_are_refused_stated_or_not(api: httpx.Client) -> None:
    stated = send(api, bytes(4 * 2**20))
    assert (stated.status_code, stated.json()["code"]) == (413, "too_large")
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    parts = iter([head, *([bytes(2**18)] * 100)])
    counted = api.post(
        "/v1/predictions",
        content=parts,
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert (counted.status_code, counted.json()["code"]) == (413, "too_large")


def hostile_files(folder: Path, clip: bytes) -> dict[str, tuple[bytes, set[str]]]:
    """Files that want to do harm, and the codes that may answer them."""
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("video.mp4", bytes(50_000_000))
    refused = {"not_a_video", "source_failed", "picture_too_large", "too_much_memory"}
    too_large = blank(folder / "large.mp4", 0.5, (1280, 720)).read_bytes()
    return {
        "truncated": (clip[: len(clip) // 2], {"not_a_video"}),
        "empty": (b"", refused),
        "text": (b"hello " * 1000, refused),
        "zip bomb": (bomb.getvalue(), refused),
        "huge y4m": (b"YUV4MPEG2 W60000 H60000 F25:1 C420jpeg\nFRAME\n" + bytes(999), refused),
        "huge gif": (b"GIF89a\xff\xff\xff\xff\x80\x00\x00" + bytes(999), refused),
        "large picture": (too_large, {"picture_too_large"}),
        "states a long time": (blank(folder / "a.mp4", 80).read_bytes(), {"video_too_long"}),
        "states no time": (blank(folder / "a.h264", 200).read_bytes(), {"video_too_long"}),
        "playlist": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", refused),
        "concat": (b"ffconcat version 1.0\nfile '/etc/passwd'\n", refused),
        "sdp": (b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n", refused),
    }


def test_hostile_files_are_refused_while_others_are_served(
    api: httpx.Client, tmp_path: Path, clip: bytes
) -> None:
    stop, good = threading.Event(), list[int]()

    def keep_asking() -> None:
        while not stop.is_set():
            good.append(send(api, clip).status_code)

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(keep_asking)
        try:
            for name, (data, codes) in hostile_files(tmp_path, clip).items():
                answer = send(api, data)
                assert answer.status_code == 422, f"{name}: {answer.text}"
                assert answer.json()["code"] in codes, f"{name}: {answer.text}"
                assert str(tmp_path) not in answer.text
            wait_for(lambda: good, "a good answer", 60)
        finally:
            stop.set()
        asking.result()
    assert set(good) == {200}


@LINUX
def test_a_child_that_dies_fails_one_job_only(api: httpx.Client, clip: bytes) -> None:
    job = send(api, DEMO_CLIP.read_bytes(), wait="false").headers["Location"]
    wait_for(lambda: api.get(job).json()["progress"] > 0, "progress", 60)
    for pid in children():
        os.kill(pid, signal.SIGSEGV)
    wait_for(lambda: api.get(job).json()["state"] == "failed", "failed job", 30)
    problem = api.get(job).json()["problem"]
    assert problem["code"] == "crashed"
    assert "SIGSEGV" in problem["detail"]
    assert send(api, clip).status_code == 200


@LINUX
def test_children_die_with_a_service_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, sys\n"
        "from inference.predictions.process import Command, ScoringProcess\n"
        "from inference.predictions.wire import Task\n"
        "from contracts.settings import Settings\n"
        "from stack.scorer import child_command\n"
        "async def main():\n"
        "    process = ScoringProcess(Command(child_command(Settings()), 100))\n"
        "    def on_progress(_): print(process.pid, flush=True)\n"
        "    with open(sys.argv[1], 'rb') as video:\n"
        "        task = Task('models/everyday', 'demo')\n"
        "        await process.score(task, video.fileno(), on_progress)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).parents[2]
    arguments = [sys.executable, "-c", program, str(DEMO_CLIP)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=root) as service:
        assert service.stdout is not None
        child = int(service.stdout.readline())
        service.kill()
        wait_for(lambda: not Path(f"/proc/{child}").exists(), "end of the child", 10)
    assert child_command(Settings())[0] == sys.executable
    assert not list(tmp_path.iterdir())

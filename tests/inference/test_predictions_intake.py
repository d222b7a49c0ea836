"""Taking videos in: places, limits, names, and bodies of every kind."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from inference.api.problems import ApiError
from inference.predictions.errors import (
    DiskFullError,
    InvalidRequestError,
    NoMediaRootError,
    NoSuchVideoError,
    NotAFileError,
    OutsideMediaRootError,
    QueueFullError,
    SlowUploadError,
    TooLargeError,
    TooManyVideosError,
)
from inference.predictions.intake import Intake, IntakeRules, tidy_name
from inference.predictions.media_root import open_below
from inference.predictions.receiving import Body, receive_videos
from inference.predictions.service import Places

RULES = IntakeRules(max_bytes=1000, keep_free=0)


@pytest.fixture(name="root")
def fixture_root(tmp_path: Path) -> Path:
    """A media root with a video, a folder and links, beside a secret."""
    (tmp_path / "secret").write_bytes(b"secret")
    root = tmp_path / "media"
    (root / "hall").mkdir(parents=True)
    (root / "hall" / "a.mp4").write_bytes(b"video")
    (root / "inside").symlink_to("hall")
    (root / "outside").symlink_to(tmp_path)
    (root / "secret.mp4").symlink_to(tmp_path / "secret")
    (root / "circle").symlink_to("circle")
    os.mkfifo(root / "pipe.mp4")
    return root


@pytest.mark.parametrize(
    "name", ["hall/a.mp4", "hall/../hall/a.mp4", "inside/a.mp4", "./hall/a.mp4"]
)
def test_paths_below_the_root_are_opened(root: Path, name: str) -> None:
    with open_below(root, name) as file:
        assert file.read() == b"video"
    with open_below(root, str(root / name)) as file:
        assert file.read() == b"video"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("../secret", OutsideMediaRootError),
        ("hall/../../secret", OutsideMediaRootError),
        ("/etc/passwd", OutsideMediaRootError),
        ("outside/secret", OutsideMediaRootError),
        ("secret.mp4", OutsideMediaRootError),
        ("circle", NoSuchVideoError),
        ("nothing.mp4", NoSuchVideoError),
        ("x" * 300, NoSuchVideoError),
        ("hall/a.mp4/b", NoSuchVideoError),
        ("hall", NotAFileError),
        (".", NotAFileError),
        ("pipe.mp4", NotAFileError),
        ("a\0b", InvalidRequestError),
        ("", InvalidRequestError),
    ],
)
def test_other_paths_are_refused(root: Path, name: str, error: type[ApiError]) -> None:
    with pytest.raises(error):
        open_below(root, name)


def test_a_link_swapped_in_after_the_check_is_not_followed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = Path.resolve

    def swap(path: Path, strict: bool = False) -> Path:
        found = resolve(path, strict)
        if path.name == "a.mp4":
            (root / "hall").rename(root / "moved")
            (root / "hall").symlink_to(root.parent)
        return found

    (root.parent / "a.mp4").write_bytes(b"secret")
    monkeypatch.setattr(Path, "resolve", swap)
    with pytest.raises(NoSuchVideoError):
        open_below(root, "hall/a.mp4")


@given(st.text(max_size=40))
def test_no_name_gets_out(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            open_below(Path(folder), name).close()
        except ApiError as error:
            assert error.status < 500
        else:
            pytest.fail("opened something in an empty folder")


def test_places_are_given_back_unless_taken_over() -> None:
    places = Places(3)
    with Intake(places, RULES) as intake:
        intake.reserve(2)
        assert places.free == 1
        intake.begin("a").write(b"1")
        (video,) = intake.take()
        assert places.free == 2
    assert places.free == 2
    assert video.file.read() == b"1"
    video.file.close()
    with pytest.raises(QueueFullError) as caught, Intake(places, RULES, lambda: 7.2) as intake:
        intake.reserve(3)
    assert caught.value.headers == {"Retry-After": "8"}
    with pytest.raises(TooManyVideosError), Intake(places, RULES) as intake:
        intake.reserve(4)
    assert places.free == 2


def test_uploads_have_no_name_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Intake(Places(1), RULES) as intake:
        intake.reserve(1)
        upload = intake.begin("a")
        upload.write(b"bytes")
        assert not list(tmp_path.iterdir())
    assert upload.file.closed


def test_bytes_of_all_videos_together_are_limited() -> None:
    with pytest.raises(TooLargeError), Intake(Places(2), RULES) as intake:
        intake.reserve(2)
        intake.begin("a").write(bytes(900))
        intake.begin("b").write(bytes(101))


def test_a_full_disk_refuses_the_upload() -> None:
    rules = IntakeRules(max_bytes=1000, keep_free=2**62)
    with pytest.raises(DiskFullError, match="no room"), Intake(Places(1), rules) as intake:
        intake.reserve(1)
        intake.begin("a").write(b"1")


def test_without_a_media_root_no_path_is_opened() -> None:
    with pytest.raises(NoMediaRootError), Intake(Places(1), RULES) as intake:
        intake.open_file("a.mp4")


@given(st.text(max_size=300))
def test_names_are_fit_for_messages(name: str) -> None:
    tidy = tidy_name(name)
    assert 0 < len(tidy) <= 200
    assert tidy.isprintable()


def request_of(kind: str, parts: list[bytes], *, ends: bool = True) -> Request:
    """A request whose body comes in parts, and then ends or stays away."""
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        + [{"type": "http.request", "body": b"", "more_body": False}] * ends
    )

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await asyncio.Event().wait()
        return {}

    scope = {"type": "http", "headers": [(b"content-type", kind.encode())]}
    return Request(scope, receive)


def receive_all(request: Request, rules: IntakeRules = RULES) -> tuple[bool, list[bytes]]:
    """Take a request in; gives whether it is a batch, and the videos' bytes."""

    async def main() -> tuple[bool, list[bytes]]:
        with Intake(Places(3), rules) as intake:
            batch = await receive_videos(Body(request, 0.2, asyncio.Semaphore(1)), intake)
            videos = intake.take()
        found = [video.file.read() for video in videos]
        for video in videos:
            video.file.close()
        return batch, found

    return asyncio.run(main())


def form_of(*videos: bytes) -> bytes:
    """A form with files."""
    head = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="v"\r\n\r\n'
    return b"".join(head + video + b"\r\n" for video in videos) + b"--xx--\r\n"


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=3), st.integers(1, 40))
def test_forms_arrive_whole_however_they_are_cut(videos: list[bytes], size: int) -> None:
    form = form_of(*videos)
    parts = [form[start : start + size] for start in range(0, len(form), size)]
    kind = "multipart/form-data; boundary=xx"
    assert receive_all(request_of(kind, parts)) == (len(videos) > 1, videos)


@given(st.binary(max_size=200), st.integers(0, 150))
def test_broken_forms_are_refused_in_order(noise: bytes, where: int) -> None:
    form = form_of(b"a video", b"another")
    broken = form[:where] + noise + form[where + len(noise) :]
    try:
        receive_all(request_of("multipart/form-data; boundary=xx", [broken]))
    except ApiError as error:
        assert error.status < 500


@given(st.binary(max_size=100))
def test_broken_json_is_refused_in_order(noise: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        receive_all(request_of("application/json", [noise]))
    assert caught.value.status < 500


def test_base64_is_decoded_and_limited() -> None:
    def ask(data: bytes) -> tuple[bool, list[bytes]]:
        body = json.dumps({"video": base64.b64encode(data).decode()}).encode()
        return receive_all(request_of("application/json", [body[:7], body[7:]]))

    assert ask(b"a video") == (False, [b"a video"])
    with pytest.raises(TooLargeError):
        ask(bytes(1001))


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=xx", "application/json"])
def test_a_body_that_stops_coming_is_given_up(kind: str) -> None:
    with pytest.raises(SlowUploadError):
        receive_all(request_of(kind, [form_of(b"a")[:20]], ends=False))

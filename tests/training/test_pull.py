"""Fetching published weights: broken connections, lying servers, other files; then the bundle."""

from __future__ import annotations

import hashlib
import json
import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="MoViNet needs the [train] extra")

# pylint: disable=wrong-import-position,wrong-import-order,ungrouped-imports  # torch may be missing
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from contracts.errors import BundleError, DownloadError
from contracts.messages import score_table
from contracts.settings import ModelSettings
from contracts.types import Clock, SampledFrame
from inference.bundle import Bundle
from inference.engine import score_frames
from inference.models.movinet import A0, MoViNetConfig
from inference.models.movinet_stream import StreamMoViNet
from inference.runtime import ActionModel
from inference.stateful import StatefulRuntime
from inference.windows import WindowSpec
from stack.commands.models import models
from stack.models import open_bundle, open_model
from tests.inference.movinets import awaken
from training import published
from training.download import RemoteFile, fetch, git_blob_id
from training.published import digest_of_lines, fetch_model, published_models
from training.pull import make_bundle

_CONTENT = bytes(range(256)) * 1000
_NAME = "movinet-a0-stream-k600"


class Shelf(ThreadingHTTPServer):
    """A server of files, which can be told to misbehave.

    Attributes:
        files: Content by path.
        breaks_at: Break off the next answers after so many bytes of body.
        claims: Say this Content-Length instead of the true one.
        ranges: Whether parts can be asked for.
        asked: Range of each request, in order.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.breaks_at: list[int] = []
        self.claims: int | None = None
        self.ranges = True
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        """Address of the root."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:  # pylint: disable=invalid-name # http.server's name
        """Answer as the shelf was told."""
        shelf, content = self.server, self.server.files.get(self.path)
        wanted = self.headers.get("Range")
        shelf.asked.append(wanted)
        if content is None:
            self.send_error(404)
            return
        tag = f'"{hashlib.sha1(content).hexdigest()}"'
        same = self.headers.get("If-Range", tag) == tag
        start = int(wanted[6:-1]) if wanted and shelf.ranges and same else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(shelf.claims or len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        end = start + shelf.breaks_at.pop(0) if shelf.breaks_at else len(content)
        self.wfile.write(content[start : min(end, start + (shelf.claims or len(content)))])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # http.server's name
        """Say nothing."""


@pytest.fixture(name="shelf")
def fixture_shelf() -> Iterator[Shelf]:
    """A running server that holds one file at ``/file``."""
    shelf = Shelf()
    shelf.files["/file"] = _CONTENT
    thread = threading.Thread(target=shelf.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield shelf
    shelf.shutdown()
    thread.join()
    shelf.server_close()


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _file(shelf: Shelf) -> RemoteFile:
    return RemoteFile(f"{shelf.url}/file", _blob(_CONTENT), git_blob_id)


def test_the_blob_id_is_gits(tmp_path: Path) -> None:
    """The empty file and `hello`, as every git names them."""
    for content, name in (
        (b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
        (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
    ):
        (tmp_path / "file").write_bytes(content)
        assert git_blob_id(tmp_path / "file") == name


def test_a_file_is_fetched_once(shelf: Shelf, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    target = tmp_path / "deep" / "file"
    fetch(_file(shelf), target, lambda done, total: told.append((done, total)))
    assert target.read_bytes() == _CONTENT
    assert told[-1] == (len(_CONTENT), len(_CONTENT))
    assert [path.name for path in target.parent.iterdir()] == ["file"]
    fetch(_file(shelf), target)
    assert len(shelf.asked) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_a_connection_that_breaks_off_is_taken_up(
    shelf: Shelf, tmp_path: Path, ranges: bool
) -> None:
    shelf.breaks_at, shelf.ranges = [100_000, 50_000], ranges
    fetch(_file(shelf), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == _CONTENT
    second = 150_000 if ranges else 50_000
    assert shelf.asked == [None, "bytes=100000-", f"bytes={second}-"]


def test_what_came_before_the_server_gave_up_serves_the_next_call(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.breaks_at = [1000] * 4
    with pytest.raises(DownloadError, match=r"Cannot fetch file from 127\.0\.0\.1"):
        fetch(_file(shelf), tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "file.part").stat().st_size == 4000
    fetch(_file(shelf), tmp_path / "file")
    assert shelf.asked[-1] == "bytes=4000-"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(shelf: Shelf, tmp_path: Path) -> None:
    shelf.files["/file"] = _CONTENT[::-1]
    shelf.breaks_at = [1000] * 4
    with pytest.raises(DownloadError):
        fetch(_file(shelf), tmp_path / "file")
    shelf.files["/file"] = _CONTENT
    fetch(_file(shelf), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == _CONTENT


@pytest.mark.parametrize("rest", [_CONTENT[:7000][::-1], b"x" * (len(_CONTENT) + 5), _CONTENT])
def test_leftovers_of_any_kind_do_no_harm(shelf: Shelf, tmp_path: Path, rest: bytes) -> None:
    """Damaged, too long, or all there: no tag tells, so the hash must."""
    (tmp_path / "file.part").write_bytes(rest)
    fetch(_file(shelf), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == _CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_server_that_says_too_much_is_not_believed(shelf: Shelf, tmp_path: Path) -> None:
    shelf.claims = len(_CONTENT) + 1000
    fetch(_file(shelf), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == _CONTENT


def test_a_server_that_says_too_little_is_found_out(shelf: Shelf, tmp_path: Path) -> None:
    shelf.claims = 1000
    with pytest.raises(DownloadError, match="not the file it should be"):
        fetch(_file(shelf), tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_another_file_is_refused_and_not_kept(shelf: Shelf, tmp_path: Path) -> None:
    shelf.files["/file"] = b"evil" * 1000
    with pytest.raises(DownloadError, match=_blob(b"evil" * 1000)):
        fetch(_file(shelf), tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_that_is_there_is_replaced(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(_CONTENT[:-1])
    fetch(_file(shelf), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == _CONTENT


def test_a_file_that_is_not_there_is_said_once(shelf: Shelf, tmp_path: Path) -> None:
    gone = RemoteFile(f"{shelf.url}/gone", "0", git_blob_id)
    with pytest.raises(DownloadError, match="refused: 404"):
        fetch(gone, tmp_path / "gone")
    assert len(shelf.asked) == 1


def test_an_unwritable_folder_is_named(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_bytes(b"")
    with pytest.raises(DownloadError, match="cannot be written"):
        fetch(_file(shelf), tmp_path / "occupied" / "file")


def test_the_catalogue_names_six_models_at_one_commit() -> None:
    found = published_models("http://mirror/")
    assert set(found) == {
        f"movinet-{size}-{kind}-k600" for size in ("a0", "a1", "a2") for kind in ("stream", "base")
    }
    for name, model in found.items():
        assert model.name == name
        assert model.weights.url.startswith("http://mirror/Atze00/MoViNet-pytorch/c2d1edf48fc6")
        assert len(model.weights.digest) == 40
    assert found[_NAME].weights.name == "modelA0_stream_statedict_v3"


def test_the_label_list_is_the_one_given(research_data: Path, tmp_path: Path) -> None:
    """Line ends may differ from the published file's; a name may not."""
    given = (research_data / "annotations/kinetics/kinetics_600.txt").read_bytes()
    expected = published_models()[_NAME].labels.digest
    for number, content in enumerate((given, given.rstrip(), given.replace(b"\n", b"\r\n"))):
        (tmp_path / str(number)).write_bytes(content)
        assert digest_of_lines(tmp_path / str(number)) == expected
    (tmp_path / "other").write_bytes(given.replace(b"zumba", b"rumba"))
    assert digest_of_lines(tmp_path / "other") != expected
    assert len(given.splitlines()) == 600


@pytest.fixture(name="cache")
def fixture_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for what is fetched."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "actionstream"


def _pull(*arguments: str) -> Result:
    return CliRunner().invoke(models, ["pull", _NAME, *arguments])


def test_offline_says_what_to_fetch_and_where_to_put_it(free_port: int, cache: Path) -> None:
    mirror = f"http://127.0.0.1:{free_port}"
    with pytest.raises(DownloadError) as caught:
        fetch_model(published_models(mirror)[_NAME], cache / "downloads")
    assert "Cannot fetch modelA0_stream_statedict_v3 from 127.0.0.1" in caught.value.message
    assert caught.value.exit_code == 1
    for part in ("statedict_v3 to", str(cache / "downloads"), "label_map_600.txt"):
        assert part in caught.value.hint
    assert "\n" not in str(caught.value)
    assert isinstance(_pull("--mirror", mirror).exception, DownloadError)


def test_a_model_not_pulled_says_how(cache: Path) -> None:
    with pytest.raises(BundleError, match=f"models pull {_NAME}"):
        open_bundle(ModelSettings(name=_NAME))
    assert not cache.exists()


def _put_on_shelf(shelf: Shelf, model: published.PublishedModel, weights: bytes) -> None:
    """Publish weights and labels of our own at the paths of the real ones."""
    for file, content in ((model.weights, weights), (model.labels, _LABELS)):
        shelf.files[file.url.removeprefix(shelf.url)] = content


_LABELS = "\n".join(f"action {n}" for n in range(600)).encode()


@pytest.mark.slow
def test_a_pulled_model_is_found_and_scores(
    shelf: Shelf, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random weights of the real shape: the real ones are not here."""
    torch.set_num_threads(1)
    torch.save(awaken(StreamMoViNet(A0)).state_dict(), tmp_path / "weights")
    weights = (tmp_path / "weights").read_bytes()
    monkeypatch.setitem(published._BLOBS, ("a0", True), _blob(weights))  # pylint: disable=protected-access # in place of the real file's
    monkeypatch.setattr(published, "_LABELS_DIGEST", hashlib.sha256(_LABELS).hexdigest())
    _put_on_shelf(shelf, published_models(shelf.url)[_NAME], weights)
    shelf.breaks_at = [1_000_000]

    done = _pull("--mirror", shelf.url)
    assert done.exit_code == 0, done.output
    assert f"pulled {_NAME}@1.0.0" in done.output
    bundle = open_bundle(ModelSettings(name=_NAME))
    assert bundle.path == cache / "models" / _NAME
    assert bundle.label_names[599] == "action 599"
    assert (bundle.input.fps, bundle.input.width, bundle.input.window_s) == (5.0, 172, 10.0)
    assert bundle.manifest["parameters"] == 3_748_031
    _scores_as_torch(open_model(ModelSettings(name=_NAME)))
    asked = len(shelf.asked)
    again = _pull("--mirror", shelf.url)
    assert "is there already" in again.output
    assert len(shelf.asked) == asked


def _scores_as_torch(model: ActionModel) -> None:
    """The bundle's graph and its own weights in torch agree, and messages carry the top 20."""
    assert isinstance(model, StatefulRuntime)
    shape = dict(model.bundle.manifest["architecture"])
    assert shape.pop("name") == "movinet-stream"
    horizon = shape.pop("horizon")
    net = StreamMoViNet(MoViNetConfig.from_dict(shape), horizon).eval()
    net.load_state_dict(load_file(model.bundle.path / "weights.safetensors"))
    rng = np.random.default_rng(0)
    frames = [
        SampledFrame(
            rng.integers(0, 256, (172, 172, 3), np.uint8), n, 0, n / 5, n / 5, Clock.ARRIVAL, 0, 0
        )
        for n in range(4)
    ]
    state = net.initial_state()
    for frame, window in zip(
        frames, score_frames(model, WindowSpec(50, 1, 0.2), frames), strict=True
    ):
        with torch.inference_mode():
            logits, state = net(torch.from_numpy(frame.image)[None, None], state)
        assert np.abs(torch.softmax(logits, 1).numpy()[0] - window.scores).max() <= 1e-5
        table = score_table(list(model.bundle.label_names), window.scores.tolist())
        assert len(table) == 20
        assert next(iter(table)) == model.bundle.label_names[int(window.scores.argmax())]


class _Trap:
    """A pickle that would run code when it is read."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (Path("trapped"),))


@pytest.mark.parametrize("kind", ["trap", "text", "wrong keys", "wrong shape", "a list"])
def test_what_is_no_state_dict_of_it_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    contents = {
        "trap": _Trap(),
        "wrong keys": {"conv1.weight": torch.zeros(3)},
        "wrong shape": {"conv1.conv_1.conv2d.weight": torch.zeros(3)},
        "a list": [torch.zeros(3)],
    }
    weights, labels = tmp_path / "weights", tmp_path / "labels"
    if kind == "text":
        weights.write_bytes(b"no weights\n" * 100)
    elif kind == "trap":
        weights.write_bytes(pickle.dumps(contents[kind], protocol=2))  # as torch.save does
    else:
        torch.save(contents[kind], weights)
    labels.write_bytes(_LABELS)
    with pytest.raises(DownloadError, match="holds no state dict"):
        make_bundle(published_models()[_NAME], weights, labels, tmp_path / "bundle")
    assert not (tmp_path / "trapped").exists()
    assert not (tmp_path / "bundle").exists()


def test_pulled_models_are_listed_beside_the_shipped(cache: Path) -> None:
    shipped = Bundle.load(Path(__file__).resolve().parents[2] / "models" / "everyday")
    copy = cache / "models" / "mine"
    copy.mkdir(parents=True)
    manifest = {**shipped.manifest, "name": "mine"}
    for name in shipped.manifest["files"]:
        (copy / name).write_bytes((shipped.path / name).read_bytes())
    (copy / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    listed = CliRunner().invoke(models, ["list"]).output
    assert "everyday@" in listed
    assert "mine@" in listed
    assert open_bundle(ModelSettings(name="mine")).path == copy

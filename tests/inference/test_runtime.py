"""ONNX Runtime on the shipped bundle: shapes, refusals, and that batches do not matter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import BundleError
from inference.bundle import MANIFEST, Bundle, find_bundle, sha256_of
from inference.runtime import ActionModel, Runtime

_MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(name="model", scope="module")
def fixture_model() -> Runtime:
    """The shipped model."""
    return Runtime(find_bundle("everyday", _MODELS))


def _frames(model: ActionModel, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    shape = (count, model.bundle.input.height, model.bundle.input.width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_shapes_and_probabilities(model: Runtime) -> None:
    """Features per frame, and scores that sum to one per window."""
    frames = _frames(model, 16)
    features = model.encode(frames, frames)
    assert features.shape == (16, model.bundle.features)
    assert features.dtype == np.float32
    scores = model.score(features[np.newaxis])
    assert scores.shape == (1, len(model.bundle.labels))
    assert scores.sum() == pytest.approx(1, abs=1e-5)
    assert (scores >= 0).all()


def test_batch_size_does_not_matter(model: Runtime) -> None:
    """A frame's features are the same alone, in a batch and in a call above the batch limit."""
    frames = _frames(model, 70)
    previous = np.roll(frames, 1, axis=0)
    together = model.encode(frames, previous)
    alone = [model.encode(frames[i : i + 1], previous[i : i + 1])[0] for i in (0, 33, 69)]
    np.testing.assert_allclose(together[[0, 33, 69]], alone, atol=1e-4, rtol=1e-4)


def test_the_frame_before_matters(model: Runtime) -> None:
    """Both inputs are used."""
    frames = _frames(model, 2)
    same = model.encode(frames[:1], frames[:1])
    moved = model.encode(frames[:1], frames[1:])
    assert np.abs(same - moved).max() > 1e-3


def test_nothing_gives_nothing(model: Runtime) -> None:
    """Empty batches pass through."""
    none = model.encode(_frames(model, 0), _frames(model, 0))
    assert none.shape == (0, model.bundle.features)
    wanted = (0, model.bundle.input.frames, model.bundle.features)
    assert model.score(np.zeros(wanted, np.float32)).shape == (0, len(model.bundle.labels))


def test_wrong_shapes_are_refused(model: Runtime) -> None:
    """Another picture size, a lost frame, a short window."""
    frames = _frames(model, 2)
    with pytest.raises(ValueError, match="frames"):
        model.encode(frames[:, ::2], frames[:, ::2])
    with pytest.raises(ValueError, match="previous"):
        model.encode(frames, frames[:1])
    with pytest.raises(ValueError, match="windows"):
        model.score(np.zeros((1, 3, model.bundle.features), np.float32))


def _copy(folder: Path) -> Path:
    shutil.copytree(find_bundle("everyday", _MODELS).path, folder)
    return folder


def test_graph_that_is_none(tmp_path: Path) -> None:
    """A file that is no graph, though its hash is right."""
    folder = _copy(tmp_path / "copy")
    (folder / "head.onnx").write_bytes(b"no graph")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"]["head.onnx"]["sha256"] = sha256_of(folder / "head.onnx")
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleError, match="cannot load"):
        Runtime(Bundle.load(folder))


@pytest.mark.parametrize(
    ("key", "value"), [("features", 7), ("labels", [{"name": n, "title": n} for n in "ab"])]
)
def test_graph_that_does_not_fit(tmp_path: Path, key: str, value: object) -> None:
    """A manifest that tells of another model."""
    folder = _copy(tmp_path / "copy")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**manifest, key: value}), encoding="utf-8")
    with pytest.raises(BundleError, match=str(folder)):
        Runtime(Bundle.load(folder))

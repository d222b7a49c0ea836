"""Training, export and evaluation end to end, on squares that move left or right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from contracts.errors import BundleError
from inference.bundle import Bundle, Label, ModelInput
from inference.runtime import Runtime
from tests.training.conftest import LABELS
from training.augment import AugmentConfig
from training.clips import ClipShape, Mixture
from training.samples import Sample

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position,wrong-import-order,ungrouped-imports  # torch may be missing
import torch

from inference.models.frame_encoder import (
    ActionNet,
    FrameEncoderConfig,
    count_macs,
)
from training.batches import Data
from training.config import (
    HardwareConfig,
    OptimizerConfig,
    ScheduleConfig,
    StartConfig,
    TrainConfig,
    ValidationConfig,
)
from training.evaluate import evaluate, score_sample
from training.export import BundleFacts, amend_manifest, export_bundle
from training.runs import load_weights
from training.trainer import TrainResult, train
from training.validation import (
    Scored,
    WindowSteps,
    calibrate,
    score_samples,
    window_logits,
)

_NET = FrameEncoderConfig(
    classes=3, width=32, height=32, frames=8, channels=(16, 16, 32, 32), features=48, hidden=32
)
_CONFIG = TrainConfig(
    net=_NET,
    shape=ClipShape(frames=8),
    mixture=Mixture(joined=0),
    # Mirrored, left is right.
    changes=AugmentConfig(mirror=0, invert=0, zoom=(0.9, 1.1), noise_deviation=3),
    optimizer=OptimizerConfig(average=0.9),
    schedule=ScheduleConfig(coarse=0),
    validation=ValidationConfig(every=100),
    hardware=HardwareConfig(threads=1),
    steps=200,
    batch=16,
)
_FACTS = BundleFacts(
    name="squares",
    version="1.0.0",
    summary="Squares.",
    labels=(Label("left", "Left"), Label("right", "Right"), Label("none", "None", True)),
    input=ModelInput(32, 32, 12.5, 8, 2),
    temperature=0.8,
    limits=("Squares only.",),
)


def _data(squares: list[Sample]) -> Data:
    held_out = {"g10", "g11"}
    return Data(
        labels=LABELS,
        train=[sample for sample in squares if sample.group not in held_out],
        validation=[sample for sample in squares if sample.group in held_out],
    )


@pytest.fixture(name="folder", scope="module")
def fixture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of one training run."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(name="trained", scope="module")
def fixture_trained(squares: list[Sample], folder: Path) -> TrainResult:
    """One short training run."""
    with Progress(console=Console(quiet=True)) as progress:
        return train(_data(squares), _CONFIG, folder, progress=progress)


@pytest.fixture(name="bundle", scope="module")
def fixture_bundle(trained: TrainResult, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The run's network as a bundle."""
    return export_bundle(trained.net, _FACTS, tmp_path_factory.mktemp("models") / "squares")


@pytest.mark.slow
def test_training_learns_what_it_is_shown(trained: TrainResult) -> None:
    """Direction of motion of unseen squares, far above the third that guessing gives."""
    assert trained.history[-1]["mean"] > 0.7
    assert [entry["step"] for entry in trained.history] == [100, 200]
    assert 0.25 <= trained.temperature <= 4


@pytest.mark.slow
def test_run_folder_says_how_it_was_made(trained: TrainResult, folder: Path) -> None:
    """Configuration, code, data and history lie beside the weights; nothing half does."""
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.safetensors",
        "config.yaml",
        "run.json",
    ]
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert run["config"]["steps"] == 200
    assert len(run["data"]) == 64
    assert run["code"]
    assert run["history"] == trained.history
    assert FrameEncoderConfig.from_dict(run["config"]["net"]) == _NET
    again = load_weights(ActionNet(_NET), folder / "best.safetensors").state_dict()
    assert all(torch.equal(value, again[key]) for key, value in trained.net.state_dict().items())


@pytest.mark.slow
def test_coarse_pictures_come_first(squares: list[Sample], tmp_path: Path) -> None:
    """The first share of the updates sees half the size; the result takes the full one."""
    config = replace(
        _CONFIG,
        steps=4,
        validation=ValidationConfig(every=1),
        schedule=ScheduleConfig(coarse=0.5),
        batch=4,
    )
    with Progress(console=Console(quiet=True)) as progress:
        result = train(_data(squares), config, tmp_path, progress=progress)
    assert [entry["step"] for entry in result.history] == [3, 4]


@pytest.mark.slow
def test_same_seed_same_batches(squares: list[Sample], tmp_path: Path) -> None:
    """Two runs of one seed see the same clips and end at the same loss."""
    config = replace(_CONFIG, steps=3, validation=ValidationConfig(every=3), batch=4)
    losses = []
    for name in "ab":
        with Progress(console=Console(quiet=True)) as progress:
            result = train(_data(squares), config, tmp_path / name, progress=progress)
        losses.append(result.history[-1]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.slow
def test_a_run_goes_on_from_another(
    trained: TrainResult, squares: list[Sample], folder: Path, tmp_path: Path
) -> None:
    """Started from a trained run, a network is good at once, and the run says where it began."""
    config = replace(
        _CONFIG,
        steps=2,
        validation=ValidationConfig(every=1),
        optimizer=OptimizerConfig(learning_rate=1e-5),
        start=StartConfig(folder),
    )
    with Progress(console=Console(quiet=True)) as progress:
        again = train(_data(squares), config, tmp_path, progress=progress)
    best = max(entry["mean"] for entry in trained.history)
    assert again.history[-1]["mean"] == pytest.approx(best, abs=0.1)
    assert again.facts["start"]["config"]["steps"] == 200


def _pictures(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


@pytest.mark.slow
def test_torch_and_onnx_agree(trained: TrainResult, bundle: Bundle) -> None:
    """Features and scores within 1e-4, whatever the batch."""
    model = Runtime(bundle)
    frames, previous = _pictures(20), _pictures(21)[1:]
    features = model.encode(frames, previous)
    windows = np.stack([features[start : start + 8] for start in range(0, 12, 3)])
    with torch.inference_mode():
        expected = trained.net.encoder(torch.from_numpy(frames), torch.from_numpy(previous))
        logits = trained.net.head(torch.from_numpy(windows)) / _FACTS.temperature
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-4)
    scores = torch.softmax(logits, dim=1).numpy()
    np.testing.assert_allclose(model.score(windows), scores, atol=1e-4)


@pytest.mark.slow
def test_validation_in_torch_is_evaluation_of_the_bundle(
    trained: TrainResult, bundle: Bundle, squares: list[Sample]
) -> None:
    """What weights are chosen by is what is measured of the bundle."""
    sample = squares[10]
    logits = window_logits(trained.net, sample, WindowSteps(12.5, 2))
    expected = torch.softmax(logits / _FACTS.temperature, dim=1).numpy()
    scored = score_sample(Runtime(bundle), sample)
    assert [window.start_s for window in scored] == pytest.approx(
        [0.16 * index for index in range(len(expected))]
    )
    np.testing.assert_allclose([window.scores for window in scored], expected, atol=1e-4)
    validation = _data(squares).validation
    in_torch = score_samples(trained.net, validation, LABELS, WindowSteps(12.5, 2))
    measured = evaluate(bundle, validation, "squares", "validation", quiet=True)
    assert measured.windows.accuracy == pytest.approx(in_torch.accuracy()["squares"])
    assert measured.clips.total == len(validation)


@pytest.mark.slow
def test_bundle_names_its_size_and_files(bundle: Bundle) -> None:
    """Parameters, operations and the card; no path of this machine in any graph."""
    weights = sum(weight.numel() for weight in ActionNet(_NET).parameters())
    assert bundle.manifest["parameters"] == weights
    encoder_macs, head_macs = count_macs(_NET)
    assert bundle.manifest["macs_per_frame"] == encoder_macs
    assert bundle.manifest["macs_per_window"] == head_macs
    card = (bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "# squares 1.0.0" in card
    assert "Squares only." in card
    here = str(Path(__file__).resolve().parents[2]).encode()
    assert all(here not in file.read_bytes() for file in bundle.path.iterdir())


@pytest.mark.slow
def test_figures_are_written_into_the_bundle(bundle: Bundle) -> None:
    """A changed manifest keeps the graphs and the hashes right."""
    metric = {
        "name": "windows with the right top label",
        "data": "squares",
        "part": "test",
        "value": 0.9,
        "count": 10,
        "date": "2026-01-01",
        "command": "measure it",
    }
    before = bundle.encoder.read_bytes()
    amended = amend_manifest(bundle.path, {"metrics": [metric]})
    assert amended.metrics == (metric,)
    assert amended.encoder.read_bytes() == before
    assert "90.0% of 10" in (bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert [path.name for path in bundle.path.parent.iterdir()] == [bundle.path.name]


@pytest.mark.slow
def test_failed_export_leaves_the_old_bundle(bundle: Bundle) -> None:
    """What cannot be read back does not replace what can."""
    spoiled = replace(_FACTS, labels=_FACTS.labels[:1])
    with pytest.raises(BundleError):
        export_bundle(ActionNet(_NET), spoiled, bundle.path)
    assert Bundle.load(bundle.path).label_names == LABELS


def test_calibration_finds_overconfidence() -> None:
    """Logits ten times too large ask for a high temperature; too small ones for a low one."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 3, generator=rng)
    truth = torch.multinomial(torch.softmax(logits, dim=1), 1, generator=rng)[:, 0]
    for factor, expected in ((2.0, 2.0), (0.5, 0.5), (10.0, 4.0)):
        scored = _scored(logits * factor, truth)
        assert calibrate(scored) == pytest.approx(expected, rel=0.15)
    assert calibrate(_scored(logits[:0], truth[:0])) == 1.0


def _scored(logits: torch.Tensor, truth: torch.Tensor) -> Scored:
    return Scored(logits, truth, ("x",) * len(truth))

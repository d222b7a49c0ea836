"""Starting from other weights, and the files of a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.errors import ConfigError
from inference.bundle import Bundle

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position,wrong-import-order,ungrouped-imports  # torch may be missing
import torch

from inference.models.frame_encoder import ActionNet, FrameEncoderConfig
from training.config import DistillationConfig
from training.distillation import load_teacher
from training.runs import (
    load_checkpoint,
    read_trained,
    remove_checkpoint,
    save_checkpoint,
    take_over,
    write_run,
)

_EVERYDAY = Path(__file__).resolve().parents[2] / "models" / "everyday"
_NET = FrameEncoderConfig(
    classes=2, width=32, height=32, frames=8, channels=(16, 16, 16, 16), features=32, hidden=16
)


def _run(folder: Path, net: ActionNet, labels: list[str]) -> Path:
    folder.mkdir()
    config = {"net": net.config.to_dict()}
    facts = {"config": config, "labels": labels, "history": [{"step": 1, "mean": 0.5}]}
    write_run(folder, net, facts)
    return folder


def _same(net: ActionNet, other: ActionNet, layer: str) -> bool:
    return torch.equal(net.get_parameter(f"{layer}.weight"), other.get_parameter(f"{layer}.weight"))


def test_everything_but_the_classifier_comes_from_the_shipped_bundle() -> None:
    """Two classes of one's own and a shorter window."""
    trained = read_trained(_EVERYDAY)
    assert trained.labels == Bundle.load(_EVERYDAY).label_names
    net = ActionNet(replace(trained.config, classes=2, frames=8))
    assert take_over(net, trained, ("press", "wait")) == ["head.classify"]
    source = trained.build()
    assert _same(net, source, "encoder.body.0")
    assert _same(net, source, "head.far")
    assert trained.facts == {"bundle": Bundle.load(_EVERYDAY).model_id}


def test_of_a_classifier_the_rows_of_known_labels_are_taken(tmp_path: Path) -> None:
    """Labels in another order, and one that is new: rows follow their labels."""
    source = ActionNet(_NET)
    trained = read_trained(_run(tmp_path / "run", source, ["a", "b"]))
    other, same = ActionNet(replace(_NET, classes=3)), ActionNet(_NET)
    before = other.head.classify.weight.detach().clone()
    assert take_over(other, trained, ("b", "new", "a")) == ["head.classify"]
    rows, known = other.head.classify.weight, source.head.classify.weight
    assert torch.equal(rows[[2, 0]], known)
    assert torch.equal(rows[1], before[1])
    assert take_over(same, trained, ("a", "b")) == []
    assert _same(same, source, "head.classify")
    assert trained.facts["best"] == {"step": 1, "mean": 0.5}


def test_layers_of_another_shape_stay_new(tmp_path: Path) -> None:
    """Another frame size: the layer that knows places; a wholly other network: an error."""
    trained = read_trained(_run(tmp_path / "run", ActionNet(_NET), ["a", "b"]))
    wider = ActionNet(replace(_NET, width=64))
    assert take_over(wider, trained, ("a", "b")) == ["encoder.place"]
    small = replace(trained, state={"encoder.body.0.weight": torch.zeros(1)})
    with pytest.raises(ConfigError, match="No layer"):
        take_over(ActionNet(_NET), small, ("a", "b"))


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a bundle nor a run"):
        read_trained(tmp_path)


def test_checkpoints_are_whole_and_finished_runs_are_not_gone_on_with(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    state = {"step": 3, "weights": {"a": torch.arange(3)}, "history": [{"mean": 0.5}]}
    save_checkpoint(tmp_path, state)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert found["weights"]["a"].tolist() == [0, 1, 2]
    assert found["history"] == state["history"]
    remove_checkpoint(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({}), encoding="utf-8")
    with pytest.raises(ConfigError, match="finished"):
        load_checkpoint(tmp_path)


def test_teachers_are_averaged_in_the_order_of_the_students_labels(tmp_path: Path) -> None:
    """Two teachers, one larger and with its labels the other way round."""
    torch.manual_seed(0)
    first, second = ActionNet(_NET).eval(), ActionNet(replace(_NET, width=64, height=48)).eval()
    folders = (
        _run(tmp_path / "first", first, ["a", "b"]),
        _run(tmp_path / "second", second, ["b", "a"]),
    )
    teacher = load_teacher(DistillationConfig(folders, flip=True), ("a", "b"))
    assert teacher is not None
    clips = torch.full((3, 9, 32, 32, 3), 100, dtype=torch.uint8)  # mirrored and resized: the same
    large = torch.full((3, 9, 48, 64, 3), 100, dtype=torch.uint8)
    with torch.inference_mode():
        found = torch.softmax(teacher(clips), dim=1)
        one = torch.softmax(first(clips), dim=1)
        other = torch.softmax(second(large), dim=1).flip(1)
    torch.testing.assert_close(found, (one + other) / 2)
    with pytest.raises(ConfigError, match="does not know c"):
        load_teacher(DistillationConfig(folders), ("a", "c"))
    assert load_teacher(DistillationConfig(), ("a", "b")) is None

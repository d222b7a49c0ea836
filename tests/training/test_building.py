"""From a plan and its data to a measured bundle, small: squares that move, two steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.errors import ConfigError
from inference.bundle import Label
from tests.training.conftest import LABELS
from training.samples import Sample

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position,ungrouped-imports  # these import torch, which may be missing
from inference.models.frame_encoder import FrameEncoderConfig
from training.batches import Data
from training.building import DataUse, Plan, build_bundle, export_run, record
from training.clips import ClipShape
from training.config import HardwareConfig, ScheduleConfig, TrainConfig, ValidationConfig
from training.evaluate import evaluate
from training.recipes import RECIPES

_PLAN = Plan(
    name="squares",
    summary="Squares that move left or right.",
    labels=tuple(Label(name, name.title(), background=name == "none") for name in LABELS),
    data=(DataUse("drawn squares", "all of them", "this test", "none", "By number."),),
    command="pytest",
    limits=("Squares only.",),
)
_CONFIG = TrainConfig(
    FrameEncoderConfig(
        classes=3, width=32, height=32, frames=8, channels=(16, 16, 16, 16), features=32, hidden=16
    ),
    shape=ClipShape(frames=8),
    schedule=ScheduleConfig(coarse=0.0),
    validation=ValidationConfig(every=2),
    hardware=HardwareConfig(threads=1),
    steps=2,
    batch=4,
)


def test_from_samples_to_a_measured_bundle(squares: list[Sample], tmp_path: Path) -> None:
    """Train, export, measure, record, export again."""
    held_out = [sample for sample in squares if sample.group == "g0"]
    learned = [sample for sample in squares if sample.group in ("g1", "g2")]
    run = tmp_path / "run"
    bundle = build_bundle(_PLAN, Data(LABELS, learned, held_out), _CONFIG, run, quiet=True)
    assert bundle.path == run / "squares"
    assert bundle.label_names == LABELS
    assert bundle.background_names == ("none",)
    (data,) = bundle.manifest["training"]["data"]
    assert data["name"] == "drawn squares"
    assert bundle.manifest["training"]["samples"]["sources"]["squares"]["samples"] == 9
    assert not bundle.metrics

    found = evaluate(bundle, held_out, "squares", "validation", quiet=True)
    assert found.clips.total == 3
    assert found.windows.total > found.clips.total
    measured = record(record(bundle, [found]), [found])
    assert [metric["count"] for metric in measured.metrics] == [
        found.windows.total,
        found.clips.total,
    ]
    card = (measured.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "`actionstream evaluate squares --model squares --part validation`" in card

    again = export_run(run, tmp_path / "again", "1.0.1")
    assert again.model_id == "squares@1.0.1"
    assert again.encoder.read_bytes() == bundle.encoder.read_bytes()
    assert json.loads((run / "plan.json").read_text(encoding="utf-8"))["data"]["sha256"]


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    """Nothing to export: says what is missing."""
    with pytest.raises(ConfigError, match=r"no finished run: .*run\.json"):
        export_run(tmp_path, tmp_path / "out", "1.0.0")


def test_every_recipe_agrees_with_itself() -> None:
    """Classes of plan and network, and a background for the clips in which nothing happens."""
    for name, recipe in RECIPES.items():
        assert recipe.plan.name == name
        assert recipe.plan.command == f"actionstream train {name}"
        assert recipe.config.net.classes == len(recipe.plan.labels)
        assert recipe.plan.background in recipe.plan.label_names

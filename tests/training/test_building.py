"""From a recipe to a measured bundle, small: drawn figures alone, two steps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.errors import ConfigError
from training.catalogue import DataOptions
from training.data import LABEL_NAMES

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position,ungrouped-imports  # these import torch, which may be missing
from inference.models.frame_encoder import FrameEncoderConfig
from training.building import build_bundle, export_run, record
from training.config import HardwareConfig, TrainConfig, ValidationConfig
from training.evaluate import measure
from training.recipes import DRAWN, RECIPES, load_data

_NET = FrameEncoderConfig(
    classes=len(LABEL_NAMES), width=64, height=48, channels=(16, 16, 16, 16), features=32, hidden=16
)


@pytest.mark.slow
def test_from_drawn_figures_to_a_measured_bundle(tmp_path: Path) -> None:
    """Without any data at hand: train, export, measure, record, export again."""
    options = DataOptions(
        root=tmp_path / "no-data", cache=tmp_path / "cache", width=64, height=48, drawn=(1, 1, 1)
    )
    config = TrainConfig(
        _NET,
        validation=ValidationConfig(every=2),
        hardware=HardwareConfig(threads=1),
        steps=2,
        batch=4,
    )
    run = tmp_path / "run"
    bundle = build_bundle(
        DRAWN.plan, load_data(replace(DRAWN, config=config), options), config, run, quiet=True
    )
    assert bundle.label_names == LABEL_NAMES
    assert bundle.background_names == ("none",)
    (data,) = bundle.manifest["training"]["data"]
    assert data["name"] == "drawn figures"
    assert not bundle.metrics

    (found,) = measure(bundle, ["figures"], "validation", options, quiet=True)
    assert found.clips.total == len(LABEL_NAMES) + 2  # three of `none`
    assert found.windows.total > found.clips.total
    measured = record(record(bundle, [found]), [found])
    assert [metric["count"] for metric in measured.metrics] == [
        found.windows.total,
        found.clips.total,
    ]
    card = (measured.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "`actionstream evaluate figures --model drawn --part validation`" in card

    again = export_run(run, tmp_path / "again", "1.0.1")
    assert again.model_id == "drawn@1.0.1"
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

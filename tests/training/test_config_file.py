"""Configurations in YAML: what is accepted, what is said of the rest, and the page of keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from contracts.errors import ConfigError

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position  # these import torch, which may be missing
from inference.models.frame_encoder import FrameEncoderConfig
from training.config import OptimizerConfig, StartConfig, TrainConfig
from training.config_file import (
    config_from_dict,
    config_page,
    config_to_dict,
    config_to_yaml,
    known_keys,
    read_config,
)

_BASE = TrainConfig(FrameEncoderConfig(classes=3), steps=7, start=StartConfig(Path("runs/a")))


def _read(folder: Path, text: str, base: TrainConfig | None = _BASE) -> TrainConfig:
    file = folder / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    return read_config(file, base)


def test_a_file_says_only_what_differs(tmp_path: Path) -> None:
    """Numbers as people write them, lists for tuples, texts for paths."""
    text = "optimizer: {learning_rate: 1e-3}\nschedule: {name: step, steps: [0.5, 1]}\n"
    config = _read(tmp_path, text + "distillation: {teachers: [runs/b]}\nchanges: {zoom: [1, 2]}")
    assert config.optimizer == OptimizerConfig(learning_rate=1e-3)
    assert config.schedule.steps == (0.5, 1.0)
    assert config.distillation.teachers == (Path("runs/b"),)
    assert config.changes.zoom == (1.0, 2.0)
    assert (config.steps, config.start.path) == (7, Path("runs/a"))
    assert _read(tmp_path, "") == _BASE
    assert _read(tmp_path, "net: {classes: 5}", None) == TrainConfig(FrameEncoderConfig(5))


def test_the_resolved_copy_reads_back(tmp_path: Path) -> None:
    assert _read(tmp_path, config_to_yaml(_BASE), None) == _BASE
    assert config_from_dict(config_to_dict(_BASE)) == _BASE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("optimizer: {learning_rat: 1}", "Did you mean `optimizer.learning_rate`? Known: "),
        ("bathc: 3", "Unknown key `bathc`"),
        ("changes: {zom: [1, 2]}", "Did you mean `changes.zoom`?"),
        ("zzz: 3", "Known: net, shape, mixture"),
        ("schedule: {name: x}", "'one-cycle', 'cosine', 'constant', 'step' or 'plateau'"),
        ('steps: "3"', "`steps` .* valid integer"),
        ("steps: 0", "`steps` .* greater than or equal to 1"),
        ("steps: true", "`steps` .* valid integer"),
        ("optimizer: 3", "`optimizer` .* object"),
        ("loss: {smoothing: 1.5}", "`loss.smoothing` .* less than or equal to 1"),
        ("mixing: {mixup: 0.6, cutmix: 0.6}", "`mixing` .* together at most 1"),
        ("- a", "must hold keys and values, not a list"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_mistakes_are_told_in_one_useful_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")) as caught:
        _read(tmp_path, text)
    assert "recipe.yaml" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: No such file"):
        read_config(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match="`net`"):
        _read(tmp_path, "steps: 3", None)


def test_the_page_lists_every_key_with_its_help() -> None:
    """docs/training.md is what the types say; nothing is without a description."""
    page = Path(__file__).resolve().parents[2] / "docs" / "training.md"
    assert page.read_text(encoding="utf-8") == config_page(), (
        "run: python -m training.config_file > docs/training.md"
    )
    keys = known_keys()
    assert [key for key, (text, _) in keys.items() if not text] == []
    tree = yaml.safe_load(config_to_yaml(replace(_BASE)))
    assert set(_flat(tree)) <= set(keys)


def _flat(tree: dict[str, object], above: str = "") -> list[str]:
    keys: list[str] = []
    for key, value in tree.items():
        keys.append(f"{above}{key}")
        keys += _flat(value, f"{above}{key}.") if isinstance(value, dict) else []
    return keys

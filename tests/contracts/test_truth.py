"""Annotation files: read, checked, and told on MQTT."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.errors import ConfigError
from contracts.messages import TruthMessage
from contracts.truth import read_truth, truth_message


def write(folder: Path, tree: object) -> Path:
    """A file that holds a tree as JSON."""
    file = folder / "truth.json"
    file.write_text(json.dumps(tree), encoding="utf-8")
    return file


def test_annotations_are_read_in_order(tmp_path: Path) -> None:
    spans = [{"label": "run", "segment": [5, 6]}, {"label": "walk", "segment": [1, 2.5]}]
    truth = read_truth(write(tmp_path, {"duration": 10, "annotations": spans}))
    assert [item.label for item in truth.annotations] == ["walk", "run"]
    message = truth_message(truth, "cam", 100.0)
    assert TruthMessage.from_json(message.to_json()) == message
    assert message.annotations[0].end == 2.5


@pytest.mark.parametrize(
    "tree",
    [
        [],
        {},
        {"duration": 3, "annotations": [{"label": "a"}]},
        {"duration": 3, "annotations": [{"label": "a", "segment": [1]}]},
        {"duration": 3, "annotations": [{"label": "a", "segment": [2, 1]}]},
        {"duration": 3, "annotations": [{"label": "a", "segment": [1, 4]}]},
        {"duration": "x", "annotations": []},
    ],
)
def test_other_files_are_refused(tmp_path: Path, tree: object) -> None:
    with pytest.raises(ConfigError, match=r"truth\.json"):
        read_truth(write(tmp_path, tree))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json"):
        read_truth(tmp_path / "none.json")

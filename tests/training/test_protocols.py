"""Folds: every group is tested once, by a network that never saw it; every clip has an answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.progress import Progress

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position  # these import torch, which may be missing
from benchmarks.protocols import summarise
from inference.models.frame_encoder import FrameEncoderConfig
from training.catalogue import DataOptions
from training.clips import ClipShape
from training.config import HardwareConfig, TrainConfig, ValidationConfig
from training.protocols import PROTOCOLS, Protocol, count_folds, run_fold
from training.samples import Sample

_SHAPE = ClipShape(frames=8)


def _protocol(samples: list[Sample]) -> Protocol:
    net = FrameEncoderConfig(
        classes=3, width=32, height=32, frames=8, channels=(16, 16, 16, 16), features=32, hidden=16
    )
    config = TrainConfig(
        net,
        shape=_SHAPE,
        validation=ValidationConfig(every=3),
        hardware=HardwareConfig(threads=1),
        steps=3,
        batch=4,
    )
    return Protocol(
        load=lambda options: samples,
        labels=("left", "right"),
        fold_of=lambda groups: {group: index % 4 for index, group in enumerate(groups)},
        part_of=lambda sample: sample.source,
        config=config,
    )


def test_a_fold_is_tested_by_what_learned_from_the_others(
    squares: list[Sample], tmp_path: Path
) -> None:
    """Its clips and no others, with scores that sum to one; `none` is no answer."""
    # Some files end with two frames of one time.
    times_s = np.array([0.0, 0.04, 0.08, 0.12, 0.12])
    short = replace(squares[0], frames=squares[0].frames[:5], times_s=times_s)
    protocol = _protocol([short, *squares[1:]])
    assert count_folds(protocol, DataOptions()) == 4
    with Progress(console=Console(quiet=True)) as progress:
        tested = run_fold(protocol, 0, DataOptions(), tmp_path / "run", progress)
    folds = protocol.fold_of(sorted({sample.group for sample in squares}))
    expected = {s.key for s in squares if folds[s.group] == 0 and s.label != "none"}
    assert {clip.key for clip in tested} == expected
    for clip in tested:
        assert len(clip.scores) >= 1  # the short clip too: its last picture is held
        np.testing.assert_allclose(clip.scores.sum(axis=1), 1, atol=1e-5)
    figures = summarise(protocol, tested)["squares"]
    assert figures["clips"]["total"] == len(expected)
    wrong = figures["clips"]["total"] - figures["clips"]["right"]
    assert sum(figures["confusions"].values()) == len(figures["wrong"]) == wrong
    low, high = figures["clips"]["interval"]
    assert low <= figures["clips"]["share"] <= high


@pytest.mark.parametrize(
    ("name", "groups", "count"),
    [
        ("weizmann", ["daria", "denis", "eli"], 3),
        ("interactions", ["seq01", "seq08", "seq11", "seq18"], 8),
        ("fights", [f"source{n:02d}" for n in range(36)], 5),
    ],
)
def test_folds_are_numbered(name: str, groups: list[str], count: int) -> None:
    """Every group has one fold; sequences of both sets are left out together."""
    folds = PROTOCOLS[name].fold_of(groups)
    assert set(folds) == set(groups)
    assert max(folds.values()) + 1 == count
    if name == "interactions":
        assert folds["seq01"] == folds["seq11"] == 0
        assert folds["seq08"] == folds["seq18"] == 7


def test_frames_are_made_in_the_size_of_the_network(squares: list[Sample], tmp_path: Path) -> None:
    """Whatever size the options name: the network of the fold decides."""
    sizes: list[tuple[int, int]] = []

    def load(options: DataOptions) -> list[Sample]:
        sizes.append((options.width, options.height))
        return squares

    protocol = replace(_protocol(squares), load=load)
    with Progress(console=Console(quiet=True)) as progress:
        run_fold(protocol, 0, DataOptions(width=128, height=96), tmp_path / "run", progress)
    assert sizes == [(32, 32)]


def test_networks_fit_their_protocols() -> None:
    """One class more than is asked for: `none` takes what shows no action."""
    for protocol in PROTOCOLS.values():
        assert protocol.config.net.classes == len(protocol.labels) + 1
        assert protocol.config.start.path is not None
        assert protocol.config.start.path.name == "drawn"

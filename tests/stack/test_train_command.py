"""`actionstream train` on a folder of clips, as its maker calls it, until `predict` knows them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from contracts.errors import ActionstreamError, ConfigError
from inference.bundle import Bundle
from stack.cli import app

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position,ungrouped-imports  # these import torch, which may be missing
from training.figures.video import Coding, write_video

# Squares of a few pixels need neither the shipped network nor its minutes.
_CONFIG = """
net: {width: 32, height: 32, frames: 8, channels: [16, 16, 32, 32], features: 48, hidden: 32}
shape: {frames: 8}
start: {path: null}
mixture: {joined: 0.0}
changes: {invert: 0.0, zoom: [0.9, 1.1], noise_deviation: 3.0}
optimizer: {learning_rate: 0.005, average: 0.9}
schedule: {coarse: 0.0}
validation: {every: 60}
hardware: {threads: 1}
batch: 12
"""
_LABELS = ("go left", "go-down")
_STEPS = {"go left": (-2, 0), "go-down": (0, 2)}


def _moving_square(label: str, seed: int) -> list[NDArray[np.uint8]]:
    """40 pictures of a square that crosses the picture and comes in again on the other side."""
    rng = np.random.default_rng(seed)
    left, top = rng.integers(0, 48, 2)
    ground, step = rng.integers(30, 120), _STEPS[label]
    frames = []
    for index in range(40):
        frame = np.full((64, 64, 3), ground, np.uint8)
        rows = np.arange(top + index * step[1], top + index * step[1] + 16) % 64
        columns = np.arange(left + index * step[0], left + index * step[0] + 16) % 64
        frame[np.ix_(rows, columns)] = 230
        frames.append(frame)
    return frames


@pytest.fixture(name="home", scope="module")
def fixture_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clips of two classes in five recordings, one more clip, and a small network."""
    home = tmp_path_factory.mktemp("home")
    for number, label in enumerate(_LABELS):
        for recording in range(5):
            folder = home / "clips" / label / f"take {recording}"
            folder.mkdir(parents=True)
            frames = _moving_square(label, 10 * number + recording)
            write_video(folder / "a.mp4", frames, Coding((64, 64), 25.0))
    write_video(home / "new.mp4", _moving_square("go-down", 99), Coding((64, 64), 25.0))
    (home / "small.yaml").write_text(_CONFIG, encoding="utf-8")
    return home


@pytest.fixture(name="at_home")
def fixture_at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the current folder, with a cache of its own."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    return home


def _call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    # What made a bundle is written into it.
    monkeypatch.setattr("sys.argv", ["actionstream", *arguments])
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


@pytest.mark.slow
def test_from_a_folder_of_clips_to_answers(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, find the figures in the bundle, measure again by the command it names, predict."""
    done = _call(
        monkeypatch, "train", "clips", "--name", "squares", "--config", "small.yaml",
        "--steps", "120", "--quiet",
    )  # fmt: skip
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    (run,) = (at_home / "runs").iterdir()
    bundle = Bundle.load(run / "squares")
    assert bundle.label_names == ("go left", "go-down", "none")
    assert bundle.background_names == ("none",)
    assert "'none' is learned from single pictures held still" in done.output
    assert (run / "report" / "report.html").is_file()

    clips, windows = bundle.metrics
    assert (clips["name"], clips["count"]) == ("clips with the right top label", 2)
    assert clips["low"] <= clips["value"] <= clips["high"]
    assert windows["count"] > 10
    assert windows["value"] > 0.8
    assert bundle.manifest["training"]["command"].startswith("actionstream train clips --name")
    assert "held still" in (bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")

    words = clips["command"].split()
    assert words[:2] == ["actionstream", "evaluate"]
    assert clips["command"] in done.output
    again = json.loads(_call(monkeypatch, *words[1:], "--json").stdout)
    values = [section["accuracy"]["value"] for section in again["sections"]]
    assert values == [clips["value"], windows["value"]]

    model = str(bundle.path)
    assert f"actionstream predict --model {bundle.path.relative_to(at_home)} VIDEO" in done.output
    said = _call(monkeypatch, "predict", "--json", "--model", model, "new.mp4")
    assert json.loads(said.stdout)["label"] == "go-down"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing-here",), "neither a path nor a recipe"),
        (("clips", "--classes", "go left,go right"), "no class 'go right'"),
        (("clips", "--name", "a/b"), "cannot be called"),
        (("clips", "--background", "still"), "no class 'still'"),
        (("clips", "--start", "nobody"), "No model 'nobody'"),
        (("drawn", "--name", "mine"), r"--name is for data of your own.*write \./drawn"),
        (("cache-free",), "No format is recognised"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    at_home: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    (at_home / "cache-free").mkdir(exist_ok=True)
    before = set((at_home / "runs").glob("*"))
    done = _call(monkeypatch, "train", *arguments)
    assert isinstance(done.exception, ActionstreamError)
    with pytest.raises(ActionstreamError, match=message):
        raise done.exception
    if arguments[1:2] != ("--start",):
        assert isinstance(done.exception, ConfigError)
    assert set((at_home / "runs").glob("*")) == before

"""`data show` and `data convert`, as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from contracts.errors import ConfigError
from stack.commands.data import data
from tests.training.datasets.making import write_clip, write_file
from training.datasets.reading import FORMATS, read_dataset


def call(*arguments: str | Path) -> Result:
    """Call `actionstream data`."""
    return CliRunner().invoke(data, [str(argument) for argument in arguments])


def make_folder(folder: Path) -> Path:
    """Make one clip of each of two classes."""
    write_clip(folder / "train" / "wave" / "a.mp4", frames=25)
    write_clip(folder / "test" / "walk" / "b.mp4", frames=50)
    return folder


def test_help_lists_every_format() -> None:
    """On every command that reads a dataset."""
    for command in ("show", "convert", "subset", "check"):
        done = call(command, "--help")
        assert done.exit_code == 0
        assert all(f"  {name} " in done.output for name in FORMATS)


def test_show_prints_tables(tmp_path: Path) -> None:
    """Parts and labels; a hint where lengths are unknown."""
    folder = make_folder(tmp_path / "clips")
    done = call("show", "auto", folder)
    assert done.exit_code == 0
    assert "folders: 2 videos, 2 labels" in done.output
    assert "unknown" in done.output
    assert "--probe asks the video files" in done.output
    probed = json.loads(call("show", "auto", folder, "--probe", "--json").output)
    assert [part["part"] for part in probed["parts"]] == ["train", "test"]
    assert [label["median_s"] for label in probed["labels"]] == [2.0, 1.0]


def test_convert_writes_what_can_be_read(tmp_path: Path) -> None:
    """Lengths from the files, and the files found again."""
    folder = make_folder(tmp_path / "clips")
    out = tmp_path / "new" / "mine.json"
    done = call("convert", "folders", folder, out, "--probe")
    assert done.output == f"folders: 2 videos, 2 segments, 2 labels: {out}\n"
    again = read_dataset("auto", out, folder)
    assert [(video.name, video.part, video.duration_s) for video in again.videos] == [
        ("test/walk/b", "test", 2.0),
        ("train/wave/a", "train", 1.0),
    ]
    assert again.videos[1].path == folder / "train" / "wave" / "a.mp4"


def test_labels_are_no_markup(tmp_path: Path) -> None:
    """What looks like a style is printed as it is."""
    path = write_file(tmp_path / "mine.csv", "video,label,start,end\na,[red]wave[/],1,2\n")
    assert "[red]wave[/]" in call("show", "segments", path).output


def test_errors_name_the_file(tmp_path: Path) -> None:
    """They reach the outermost edge as ours, and nothing is written."""
    path = write_file(tmp_path / "mine.csv", "video,label,start,end\na,wave,2,1\n")
    done = call("convert", "segments", path, tmp_path / "out.json")
    assert isinstance(done.exception, ConfigError)
    assert "mine.csv, line 2" in done.exception.message
    assert not (tmp_path / "out.json").exists()


def test_a_broken_video_does_not_stop_probing(tmp_path: Path) -> None:
    """It is named, and its length stays unknown."""
    folder = make_folder(tmp_path / "clips")
    write_file(folder / "test" / "walk" / "broken.mp4", "no video")
    done = call("convert", "folders", folder, tmp_path / "out.json", "--probe")
    assert done.exit_code == 0
    assert "broken.mp4" in done.output
    entry = json.loads((tmp_path / "out.json").read_text("utf-8"))["database"]["test/walk/broken"]
    assert entry["duration"] is None

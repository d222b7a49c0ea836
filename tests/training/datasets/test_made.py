"""Formats whose real files are not here: small files after the published form."""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.io import savemat

from contracts.errors import ConfigError, MissingDependencyError
from contracts.types import Annotation
from tests.training.datasets.making import HOSTILE, read_or_refuse, write_clip, write_file
from training.datasets import merl
from training.datasets.reading import detect_format, read_dataset

KTH = """Information on sequences in the action database

Training:   person11, 12, 13, 14, 15, 16, 17, 18
Validation: person19, 20, 21, 23, 24, 25, 01, 04
Test:       person22, 02, 03, 05, 06, 07, 08, 09, 10

person01_boxing_d1\t\tframes\t1-95, 96-185, 186-245, 246-360
person11_walking_d4\t\tframes\t31-98,\t180-244
person13_handclapping_d3\t*missing*
person22_jogging_d2\t\tframes\t1-50
"""
TLABS = [
    np.array([[31, 60], [91, 120]]),
    np.array([[61, 75]]),
    np.empty((0, 0)),
    np.array([[1, 30]]),
    np.empty((0, 2)),
]


def write_v5(path: Path, cells: list[np.ndarray]) -> None:
    """Write `tlabs` as MATLAB does up to version 7."""
    cell = np.empty((len(cells), 1), object)
    for index, matrix in enumerate(cells):
        cell[index, 0] = matrix.astype(np.float64)
    savemat(path, {"tlabs": cell})


def write_v73(path: Path, cells: list[np.ndarray]) -> None:
    """Write `tlabs` as MATLAB 7.3 does: references to matrices with their axes turned round."""
    with h5py.File(path, "w", userblock_size=512) as file:
        stored = []
        for index, matrix in enumerate(cells):
            name = f"#refs#/{index}"
            if matrix.size:
                file[name] = matrix.T.astype(np.float64)
            else:
                file[name] = np.array(matrix.shape, np.uint64)
                file[name].attrs["MATLAB_empty"] = np.uint8(1)
            stored.append(file[name].ref)
        cell = file.create_dataset("tlabs", (1, len(cells)), h5py.ref_dtype)
        cell[0, :] = stored
        cell.attrs["MATLAB_class"] = np.bytes_("cell")


@pytest.mark.parametrize("write", [write_v5, write_v73])
def test_merl_reads_both_versions_of_matlab(write: object, tmp_path: Path) -> None:
    """Frames count from 1 with both ends in; 30 make a second; empty cells are no action."""
    assert callable(write)
    for session in ("1_1", "21_3", "27_2"):
        write(tmp_path / f"{session}_label.mat", TLABS)
    write_clip(tmp_path / "videos" / "27_2_crop.mp4")
    dataset = read_dataset("auto", tmp_path, tmp_path / "videos")
    assert dataset.name == "merl"
    assert dataset.labels == merl.LABELS
    assert [video.part for video in dataset.videos] == ["train", "validation", "test"]
    assert [video.group for video in dataset.videos] == ["subject1", "subject21", "subject27"]
    video = dataset.videos[2]
    assert video.annotations == (
        Annotation("Inspect Product", 0.0, 1.0),
        Annotation("Reach To Shelf", 1.0, 2.0),
        Annotation("Retract From Shelf", 2.0, 2.5),
        Annotation("Reach To Shelf", 3.0, 4.0),
    )
    assert video.path == tmp_path / "videos" / "27_2_crop.mp4"


def test_merl_lists_come_before_the_rule(tmp_path: Path) -> None:
    """Lists beside the files; a session in none has no part."""
    write_v5(tmp_path / "1_1_label.mat", TLABS)
    write_v5(tmp_path / "1_2_label.mat", TLABS)
    write_file(tmp_path / "test.txt", "1_1\r\n")
    assert [video.part for video in read_dataset("merl", tmp_path).videos] == ["test", None]
    write_file(tmp_path / "train.txt", "1_1\n")
    with pytest.raises(ConfigError, match=r"test\.txt, line 1: 1_1 stands in two lists"):
        read_dataset("merl", tmp_path)


@pytest.mark.parametrize("write", [write_v5, write_v73])
@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (TLABS[:4], "tlabs has 4 cells, expected 5"),
        ([*TLABS[:4], np.array([[1, 2, 3]])], r"\(1, 3\) is not Kx2"),
        ([*TLABS[:4], np.array([[9, 4]])], "frames 9 to 4 are no span"),
        ([*TLABS[:4], np.array([[0, 4]])], "frames 0 to 4"),
        ([*TLABS[:4], np.array([[np.nan, 4]])], "frames nan to 4"),
    ],
)
def test_merl_says_what_is_wrong(
    write: object, cells: list[np.ndarray], problem: str, tmp_path: Path
) -> None:
    """The file, the cell and the frames."""
    assert callable(write)
    write(tmp_path / "1_1_label.mat", cells)
    with pytest.raises(ConfigError, match=rf"1_1_label\.mat.*{problem}"):
        read_dataset("merl", tmp_path)


def test_merl_refuses_what_is_no_file_of_matlab(tmp_path: Path) -> None:
    """Whatever the bytes, with the name of the file."""
    whole = tmp_path / "1_1_label.mat"
    write_v5(whole, TLABS)
    matlab5 = whole.read_bytes()
    write_v73(whole, TLABS)
    hdf5 = whole.read_bytes()
    for content in (
        b"",
        b"MATLAB",
        matlab5[:150],
        matlab5[:-40],
        hdf5[:600],
        hdf5[: len(hdf5) // 2],
    ):
        whole.write_bytes(content)
        with pytest.raises(ConfigError, match=r"Cannot read .*1_1_label\.mat: it "):
            read_dataset("merl", tmp_path)
    savemat(whole, {"labels": 1})
    with pytest.raises(ConfigError, match="it holds no tlabs"):
        read_dataset("merl", tmp_path)
    savemat(whole, {"tlabs": np.ones((2, 2))})
    with pytest.raises(ConfigError, match="tlabs is no cell array"):
        read_dataset("merl", tmp_path)


def test_merl_says_what_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to install it; other formats need nothing of it."""
    write_v5(tmp_path / "1_1_label.mat", TLABS)
    monkeypatch.delitem(sys.modules, "training.datasets.matlab", raising=False)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match=r"needs h5py.*actionstream\[train\]"):
        read_dataset("auto", tmp_path)


def test_meccano_frames_are_pictures_at_12_per_second(tmp_path: Path) -> None:
    """Numbers order the labels; a header may stand above the rows or not."""
    header = "video_id,action_id,action_name,start_frame,end_frame\r\n"
    rows = "0001,3,take_bolt,00013.jpg,00036.jpg\r\n0001,0,check_booklet,00001.jpg,00012.jpg\r\n"
    write_file(tmp_path / "MECCANO_train_actions.csv", "\ufeff" + header + rows)
    write_file(tmp_path / "MECCANO_test_actions.csv", "0007,3,take_bolt,00001.jpg,00006.jpg\n")
    dataset = read_dataset("auto", tmp_path)
    assert (dataset.name, dataset.labels) == ("meccano", ("check_booklet", "take_bolt"))
    train, test = dataset.videos
    assert (train.name, train.part, train.fps) == ("0001", "train", 12.0)
    assert train.annotations == (
        Annotation("check_booklet", 0.0, 1.0),
        Annotation("take_bolt", 1.0, 3.0),
    )
    assert (test.part, test.annotations[0].end_s) == ("test", 0.5)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("0001,3,take_bolt,13,x.jpg", r"line 2: '13' to 'x\.jpg' are no frames like"),
        ("0001,3,take_bolt,00013.jpg,00012.jpg", "are no frames"),
        ("0001,3,take_bolt", "line 2: expected video_id, action_id"),
        ("0001,0,take_bolt,1.jpg,2.jpg", "action 0 is 'check' and 'take_bolt'"),
    ],
)
def test_meccano_says_what_is_wrong(row: str, problem: str, tmp_path: Path) -> None:
    """With file and line."""
    write_file(tmp_path / "MECCANO_val_actions.csv", f"0001,0,check,1.jpg,2.jpg\n{row}\n")
    with pytest.raises(ConfigError, match=rf"MECCANO_val_actions\.csv, {problem}|{problem}"):
        read_dataset("meccano", tmp_path)


def test_meccano_refuses_one_video_in_two_parts(tmp_path: Path) -> None:
    """Nobody could judge by such a split."""
    for part in ("train", "test"):
        write_file(tmp_path / f"MECCANO_{part}_actions.csv", "0001,0,check,1.jpg,2.jpg\n")
    with pytest.raises(ConfigError, match="video 0001 is in train too"):
        read_dataset("meccano", tmp_path)


def test_kinetics_clips_are_trimmed_and_grouped_by_source(tmp_path: Path) -> None:
    """Columns in any order, quoted labels, tests without labels, files named as usual."""
    write_file(
        tmp_path / "train.csv",
        "label,youtube_id,time_start,time_end,split,is_cc\n"
        '"air drumming",_dbcJuKJQNs,40,50,train,0\nwashing feet,_dbcJuKJQNs,60,67.5,train,0\n',
    )
    write_file(
        tmp_path / "test.csv", "youtube_id,time_start,time_end,split\n--GkrdYZ9Tc,0,10,test\n"
    )
    clip = write_clip(tmp_path / "clips" / "air drumming" / "_dbcJuKJQNs_000040_000050.mp4")
    dataset = read_dataset("auto", tmp_path, tmp_path / "clips")
    assert (dataset.name, dataset.labels) == ("kinetics", ("air drumming", "washing feet"))
    test, drumming, washing = dataset.videos
    assert (test.part, test.annotations, test.duration_s) == ("test", (), 10.0)
    assert drumming.annotations == (Annotation("air drumming", 0.0, 10.0),)
    assert (drumming.path, drumming.group) == (clip, "_dbcJuKJQNs")
    assert (washing.name, washing.group) == ("_dbcJuKJQNs_000060_000067", "_dbcJuKJQNs")


def test_kinetics_says_what_is_wrong(tmp_path: Path) -> None:
    """Missing columns, unknown parts, spans that are none, two clips of one name."""
    path = tmp_path / "train.csv"
    header = "label,youtube_id,time_start,time_end,split\n"
    for text, problem in (
        ("label,youtube_id\n", r"train\.csv, line 1: no column time_start, time_end, split; found"),
        (header + "a,b,1,2\n", "line 2: 4 cells, expected 5"),
        (header + "a,b,1,2,held out\n", "line 2: no part 'held out'.*There are train"),
        (header + "a,b,5,2,train\n", "ends before it starts"),
        (header + "a,b,x,2,train\n", "line 2: 'x' to '2' is not a span"),
        (header + "a,b,1,2,train\n" * 2, "two videos have one name"),
        (header, "names no video"),
    ):
        write_file(path, text)
        with pytest.raises(ConfigError, match=problem):
            read_dataset("kinetics", path)


def test_kth_ranges_and_persons(tmp_path: Path) -> None:
    """The authors' parts; text for people and the missing video are passed over."""
    path = write_file(tmp_path / "00sequences.txt", KTH.replace("\n", "\r\n"))
    clip = write_clip(tmp_path / "boxing" / "person01_boxing_d1_uncomp.avi")
    dataset = read_dataset("auto", path, tmp_path)
    boxing, walking, jogging = dataset.videos
    assert [video.part for video in dataset.videos] == ["validation", "train", "test"]
    assert boxing.annotations == (
        Annotation("boxing", 0.0, 95 / 25),
        Annotation("boxing", 95 / 25, 185 / 25),
        Annotation("boxing", 185 / 25, 245 / 25),
        Annotation("boxing", 245 / 25, 360 / 25),
    )
    assert (boxing.path, boxing.group, boxing.fps) == (clip, "person01", 25.0)
    assert walking.annotations[1] == Annotation("walking", 179 / 25, 244 / 25)
    assert len(jogging.annotations) == 1
    assert len(dataset.labels) == 6
    assert read_dataset("auto", tmp_path).videos[0].name == boxing.name


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("person01_boxing_d1 frames 1-95, 9", "line 1: expected 'frames 1-95"),
        ("person01_boxing_d1", "line 1: expected 'frames"),
        ("person01_boxing_d1 frames 95-1", "expected 'frames"),
        ("person26_boxing_d1 frames 1-95", "person26_boxing_d1 is none of KTH's"),
        ("person01_flying_d1 frames 1-95", "none of KTH's"),
        ("nothing", "names no video"),
    ],
)
def test_kth_says_what_is_wrong(line: str, problem: str, tmp_path: Path) -> None:
    """With file and line."""
    write_file(tmp_path / "00sequences.txt", line)
    with pytest.raises(ConfigError, match=rf"00sequences\.txt.*{problem}"):
        read_dataset("kth", tmp_path)


def test_ucf101_says_what_is_wrong(tmp_path: Path) -> None:
    """Lines that are no clips, and numbers that are of another class."""
    write_file(tmp_path / "classInd.txt", "1 Archery\r\n2 Bowling\r\n")
    write_file(tmp_path / "testlist01.txt", "Archery/v_Archery_g01_c01.avi\r\n")
    train = tmp_path / "trainlist01.txt"
    for line, problem in (
        ("Archery/v_Archery_g08_c01.avi 2", "Archery has number 1 in classInd.txt, not 2"),
        ("Archery.avi 1", "line 1: expected <Class>/v_"),
        ("Diving/v_Diving_g08_c01.avi 1", "expected <Class>/v_"),
        ("Archery/v_Archery_g01_c01.avi 1", "two videos have one name"),
    ):
        write_file(train, line)
        with pytest.raises(ConfigError, match=problem):
            read_dataset("ucf101", tmp_path)
    with pytest.raises(ConfigError, match=r"Cannot read .*trainlist02\.txt: No such file"):
        read_dataset("ucf101:2", tmp_path)


def test_folders_by_class_recording_and_part(tmp_path: Path) -> None:
    """A clip alone, clips of one recording, a list of groups, and parts above the classes."""
    for name in ("wave/a.mp4", "wave/kitchen/b.mp4", "walk/kitchen/c.MOV", "walk/d.avi"):
        write_file(tmp_path / "clips" / name, "")
    write_file(tmp_path / "clips" / "groups.csv", "file,group\nwalk/d.avi,garden\n")
    dataset = read_dataset("auto", tmp_path / "clips")
    assert (dataset.name, dataset.labels) == ("folders", ("walk", "wave"))
    assert {video.name: video.group for video in dataset.videos} == {
        "walk/d": "garden",
        "walk/kitchen/c": "kitchen",
        "wave/a": "wave/a",
        "wave/kitchen/b": "kitchen",
    }
    for name in ("train/wave/a.mp4", "val/wave/b.mp4", "Test/walk/c.mp4"):
        write_file(tmp_path / "split" / name, "")
    videos = read_dataset("folders", tmp_path / "split").videos
    assert [(video.name, video.part) for video in videos] == [
        ("Test/walk/c", "test"),
        ("train/wave/a", "train"),
        ("val/wave/b", "validation"),
    ]
    assert videos[0].annotations == (Annotation("walk", 0.0, math.inf),)


def test_folders_say_what_is_wrong(tmp_path: Path) -> None:
    """Clips outside of the classes, two of one name, groups of clips that are not there."""
    with pytest.raises(ConfigError, match="No format is recognised"):
        read_dataset("auto", tmp_path)
    write_file(tmp_path / "wave" / "a.mp4", "")
    write_file(tmp_path / "groups.csv", "file,group\nwave/b.mp4,garden\n")
    with pytest.raises(ConfigError, match=r"groups\.csv names wave/b, which is not in"):
        read_dataset("folders", tmp_path)
    (tmp_path / "groups.csv").unlink()
    write_file(tmp_path / "wave" / "a.avi", "")
    with pytest.raises(ConfigError, match="two videos have one name"):
        read_dataset("folders", tmp_path)
    (tmp_path / "wave" / "a.avi").unlink()
    write_file(tmp_path / "stray.mp4", "")
    with pytest.raises(ConfigError, match=r"stray\.mp4 lies in no folder of a class"):
        read_dataset("folders", tmp_path)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("kth", "00sequences.txt"),
        ("meccano", "MECCANO_train_actions.csv"),
        ("kinetics", "train.csv"),
        ("fights", "sources.csv"),
        ("thumos14", "annotations_val/Diving_val.txt"),
        ("ucf101", "classInd.txt"),
        ("hmdb51", "wave_test_split1.txt"),
        ("merl", "1_1_label.mat"),
    ],
)
@settings(deadline=None, max_examples=60)
@given(text=HOSTILE)
def test_hostile_text_is_read_or_refused(name: str, file: str, text: str) -> None:
    """No text whatever leads to anything but a dataset or a message."""
    with tempfile.TemporaryDirectory() as folder:
        write_file(Path(folder) / file, text)
        if name == "ucf101":
            write_file(Path(folder) / "classInd.txt", "1 Archery\n")
            write_file(Path(folder) / "trainlist01.txt", text)
            write_file(Path(folder) / "testlist01.txt", "")
        read_or_refuse(lambda: read_dataset(name, Path(folder)))


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    """Another encoding than UTF-8."""
    path = tmp_path / "00sequences.txt"
    path.write_bytes("personé frames".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"00sequences\.txt: not UTF-8 text\. Save it as UTF-8"):
        read_dataset("kth", path)


def test_auto_names_what_it_cannot_choose(tmp_path: Path) -> None:
    """Two formats in one folder; none; no such path; no such format."""
    write_file(tmp_path / "00sequences.txt", KTH)
    write_file(tmp_path / "sources.csv", "clip,label,source\n")
    with pytest.raises(ConfigError, match=r"could be kth or fights\. Name the format"):
        detect_format(tmp_path)
    with pytest.raises(ConfigError, match=r"There is no .*nowhere"):
        read_dataset("auto", tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"No format 'avi'\. There are auto, activitynet"):
        read_dataset("avi", tmp_path)

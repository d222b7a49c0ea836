"""Bundles: what is read, and that nothing missing, damaged or newer is taken."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BundleError
from contracts.types import TimeSpan
from inference.bundle import MANIFEST, Bundle, find_bundle, list_bundles

_FILES = {"encoder.onnx": b"encoder", "head.onnx": b"head"}


def _manifest() -> dict[str, Any]:
    return {
        "schema": 1,
        "name": "tiny",
        "version": "1.2.3",
        "labels": [
            {"name": "walk", "title": "Walk"},
            {"name": "none", "title": "No action", "background": True},
        ],
        "input": {"width": 128, "height": 96, "fps": 12.5, "frames": 16, "stride": 2},
        "features": 192,
        "graphs": {"encoder": "encoder.onnx", "head": "head.onnx"},
        "metrics": [{"name": "windows", "value": 0.9}],
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest()} for name, data in _FILES.items()
        },
    }


def _write(folder: Path, manifest: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in _FILES.items():
        (folder / name).write_bytes(data)
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_reads_what_the_manifest_says(tmp_path: Path) -> None:
    """Every field arrives."""
    bundle = Bundle.load(_write(tmp_path / "tiny", _manifest()))
    assert bundle.model_id == "tiny@1.2.3"
    assert bundle.label_names == ("walk", "none")
    assert bundle.background_names == ("none",)
    assert bundle.labels[0].title == "Walk"
    assert bundle.input.window_s == pytest.approx(1.28)
    assert bundle.input.stride_s == pytest.approx(0.16)
    assert bundle.encoder.read_bytes() == b"encoder"
    assert bundle.metrics[0]["value"] == 0.9


def test_says_which_moment_of_a_window_its_scores_speak_of(tmp_path: Path) -> None:
    """The middle, unless the manifest names another share of the window."""
    manifest, window = _manifest(), TimeSpan(10.0, 12.0)
    assert Bundle.load(_write(tmp_path, manifest)).input.moment_of(window) == 11.0
    manifest["input"]["reference"] = 0.75
    assert Bundle.load(_write(tmp_path, manifest)).input.moment_of(window) == 11.5
    manifest["input"]["reference"] = 1.5
    with pytest.raises(BundleError, match="between 0 and 1"):
        Bundle.load(_write(tmp_path, manifest))


def test_finds_by_name_and_by_path(tmp_path: Path) -> None:
    """A name below the folder of models, or a folder anywhere."""
    folder = _write(tmp_path / "models" / "tiny", _manifest())
    assert find_bundle("tiny", tmp_path / "models").path == folder
    assert find_bundle(str(folder), tmp_path / "elsewhere").path == folder
    assert [bundle.name for bundle in list_bundles(tmp_path / "models")] == ["tiny"]
    assert not list_bundles(tmp_path / "elsewhere")


def test_unknown_name_says_which_there_are(tmp_path: Path) -> None:
    """The message names the models that exist."""
    _write(tmp_path / "tiny", _manifest())
    with pytest.raises(BundleError, match=r"No model 'large'.*tiny"):
        find_bundle("large", tmp_path)
    with pytest.raises(BundleError, match="No model ''"):
        find_bundle("", tmp_path)


@pytest.mark.parametrize("name", list(_FILES))
def test_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    """One changed byte is enough."""
    folder = _write(tmp_path, _manifest())
    (folder / name).write_bytes(b"changed")
    with pytest.raises(BundleError, match=f"{name} is damaged"):
        Bundle.load(folder)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A file the manifest lists must be there."""
    folder = _write(tmp_path, _manifest())
    (folder / "head.onnx").unlink()
    with pytest.raises(BundleError, match=r"incomplete: head\.onnx"):
        Bundle.load(folder)


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    """What a newer version wrote may mean something else."""
    folder = _write(tmp_path, {**_manifest(), "schema": 2})
    with pytest.raises(BundleError, match=r"schema 2; this version reads up to 1.*Update"):
        Bundle.load(folder)


def _without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: {k: v for k, v in manifest.items() if k != key}


_SPOILED: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("no labels", _without("labels"), "lacks 'labels'"),
    ("no files", _without("files"), "lacks 'files'"),
    ("no schema", _without("schema"), "names no schema"),
    ("a list", lambda _: [1], "names no schema"),
    ("one label", lambda m: {**m, "labels": m["labels"][:1]}, "two labels"),
    ("twice a label", lambda m: {**m, "labels": [m["labels"][0]] * 2}, "two labels"),
    ("rate 0", lambda m: {**m, "input": {**m["input"], "fps": 0}}, "must be positive"),
    ("no width", lambda m: {**m, "input": {"height": 96}}, "lacks 'width'"),
    ("text as size", lambda m: {**m, "input": {**m["input"], "width": "x"}}, "malformed"),
    ("outside", lambda m: {**m, "files": {"../x": {"sha256": "0"}}}, "outside its folder"),
    ("not listed", lambda m: {**m, "graphs": {"encoder": "x", "head": "y"}}, "not among"),
    ("endless", lambda m: {**m, "features": float("inf")}, "malformed"),
    ("files as list", lambda m: {**m, "files": [1]}, "malformed"),
]


@pytest.mark.parametrize(
    ("spoil", "message"), [case[1:] for case in _SPOILED], ids=[case[0] for case in _SPOILED]
)
def test_malformed_manifest_says_what_is_wrong(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object], message: str
) -> None:
    """Each fault has its message."""
    with pytest.raises(BundleError, match=message):
        Bundle.load(_write(tmp_path, spoil(_manifest())))


def test_no_manifest_and_no_json(tmp_path: Path) -> None:
    """An empty folder and a broken file are told apart."""
    with pytest.raises(BundleError, match="it holds no"):
        Bundle.load(tmp_path)
    (tmp_path / MANIFEST).write_bytes(b"\xff{")
    with pytest.raises(BundleError, match="is not JSON"):
        Bundle.load(tmp_path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(key=st.sampled_from(sorted(_manifest())), value=_JSON)
def test_hostile_values_raise_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    """Whatever stands in a field: a bundle or a `BundleError`."""
    folder = tmp_path_factory.getbasetemp() / "hostile"
    _write(folder, {**_manifest(), key: value})
    with suppress(BundleError):
        Bundle.load(folder)

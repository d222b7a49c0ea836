"""Model bundles: a folder with ``bundle.json``, the graphs and the weights, checked before use.

``bundle.json`` says everything a program needs to run the model (labels, input, graphs) and all a
person needs to trust it (data and its terms, measured figures with their command, SHA-256 of every
file). Reading needs neither torch nor ONNX Runtime.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from contracts.errors import BundleError
from contracts.types import Sampling, TimeSpan

SCHEMA = 1
MANIFEST = "bundle.json"

SHIPPED = Path(__file__).resolve().parents[1] / "models"
"""Bundles that ship: beside the packages, in a checkout as in an installed wheel."""
GRAPHS = ({"encoder", "head"}, {"step"}, {"clip"})
"""Sets of graphs that can be run: features per frame and a window of them to scores; a frame and
the state to scores and the state; a window of frames to scores."""


@dataclass(frozen=True, slots=True)
class Label:
    """One class of a model.

    Attributes:
        name: As the training data names it; used in topics, fields and files.
        title: For people.
        background: True for "nothing of interest", which makes no events.
    """

    name: str
    title: str
    background: bool = False


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What the model wants to see.

    Attributes:
        width: Width of a frame in pixels.
        height: Height of a frame in pixels.
        fps: Sampled frames per second of media time.
        frames: Sampled frames in one window.
        stride: Sampled frames between the starts of two windows.
        reference: Which time in its window a score speaks of, from 0 (its start) to 1 (its end).
            Trained on trimmed clips, a model speaks of the middle; one that learned to name what
            goes on shortly before a window's end speaks of that.
    """

    width: int
    height: int
    fps: float
    frames: int
    stride: int
    reference: float = 0.5

    @property
    def window_s(self) -> float:
        """Length of a window in seconds."""
        return self.frames / self.fps

    @property
    def stride_s(self) -> float:
        """Seconds between the starts of two windows."""
        return self.stride / self.fps

    @property
    def sampling(self) -> Sampling:
        """Frames to take of a video."""
        return Sampling(self.fps, self.width, self.height)

    def moment_of(self, window: TimeSpan) -> float:
        """Return the time that the scores of a window speak of, by the clock of its span."""
        return window.start + self.reference * (window.end - window.start)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model on disk whose files were found whole.

    Attributes:
        path: The folder.
        name: Name of the model.
        version: Version of the model.
        labels: The classes, in the order of the scores.
        input: Frame size, rate and window.
        features: Length of one frame's feature vector; zero where the graphs keep none.
        graphs: The graphs by part, one of the sets that `GRAPHS` names.
        manifest: The whole ``bundle.json``, read-only at the top level.
    """

    path: Path
    name: str
    version: str
    labels: tuple[Label, ...]
    input: ModelInput
    features: int
    graphs: Mapping[str, Path]
    manifest: Mapping[str, Any]

    @property
    def model_id(self) -> str:
        """``name@version``, as messages carry it."""
        return f"{self.name}@{self.version}"

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the scores."""
        return tuple(label.name for label in self.labels)

    @property
    def background_names(self) -> tuple[str, ...]:
        """Names of the classes that mean "nothing of interest"."""
        return tuple(label.name for label in self.labels if label.background)

    @property
    def encoder(self) -> Path:
        """Graph from (frame, previous frame) to features."""
        return self.graphs["encoder"]

    @property
    def head(self) -> Path:
        """Graph from a window of features to scores."""
        return self.graphs["head"]

    @property
    def metrics(self) -> tuple[Mapping[str, Any], ...]:
        """Measured figures, each with the command that measured it."""
        return tuple(self.manifest.get("metrics", ()))

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read and verify a bundle.

        Args:
            path: Folder that holds ``bundle.json``.

        Returns:
            The bundle; every file named in it exists and has the SHA-256 it should have.

        Raises:
            BundleError: Missing, damaged, or written by a newer version of this program.
        """
        manifest = _read_manifest(path)
        try:
            _verify_files(path, manifest["files"])
            graphs = _parse_graphs(path, manifest["graphs"], manifest["files"])
            bundle = cls(
                path=path,
                name=str(manifest["name"]),
                version=str(manifest["version"]),
                labels=_parse_labels(manifest["labels"]),
                input=_parse_input(manifest["input"]),
                features=int(manifest["features"]) if "encoder" in graphs else 0,
                graphs=MappingProxyType(graphs),
                manifest=MappingProxyType(manifest),
            )
        except KeyError as exc:
            raise BundleError(f"{path / MANIFEST} lacks {exc.args[0]!r}.") from exc
        except (TypeError, ValueError, AttributeError, OverflowError) as exc:
            raise BundleError(f"{path / MANIFEST} is malformed: {exc}.") from exc
        return bundle


def find_bundle(name: str, *models_dirs: Path) -> Bundle:
    """Load a bundle by name, or by the path of its folder.

    Args:
        name: Folder name below ``models_dirs``, or a path to a folder that holds ``bundle.json``.
        *models_dirs: Folders of bundles; the first that has one of that name counts.

    Returns:
        The verified bundle.

    Raises:
        BundleError: No such bundle (the message names those there are), or it is damaged.
    """
    for folder in (*(models_dir / name for models_dir in models_dirs), Path(name)):
        if name and (folder / MANIFEST).is_file():
            return Bundle.load(folder)
    there = [folder.name for models_dir in models_dirs for folder in _bundle_folders(models_dir)]
    raise BundleError(
        f"No model {name!r} in {' or '.join(map(str, models_dirs))}.",
        f"Models there: {', '.join(there) or 'none'}.",
    )


def list_bundles(models_dir: Path) -> list[Bundle]:
    """Load every bundle of a folder, sorted by name.

    Args:
        models_dir: Folder of bundles; need not exist.

    Returns:
        The verified bundles.

    Raises:
        BundleError: One of them is damaged.
    """
    return [Bundle.load(folder) for folder in _bundle_folders(models_dir)]


def sha256_of(path: Path) -> str:
    """Hash a file.

    Args:
        path: The file.

    Returns:
        SHA-256 in lower-case hexadecimal.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _bundle_folders(models_dir: Path) -> list[Path]:
    return sorted(manifest.parent for manifest in models_dir.glob(f"*/{MANIFEST}"))


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise BundleError(f"No model in {path}: it holds no {MANIFEST}.") from exc
    except OSError as exc:
        raise BundleError(f"{path / MANIFEST} cannot be read: {exc.strerror}.") from exc
    except ValueError as exc:
        raise BundleError(f"{path / MANIFEST} is not JSON: {exc}.") from exc
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if not isinstance(schema, int) or schema < 1:
        raise BundleError(f"{path / MANIFEST} is malformed: it names no schema.")
    if schema > SCHEMA:
        raise BundleError(
            f"{path} is of schema {schema}; this version reads up to {SCHEMA}.",
            "Update actionstream.",
        )
    return dict(manifest)


def _verify_files(path: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    for name, record in files.items():
        if Path(name).name != name or name in {"", ".", ".."}:
            raise BundleError(f"{path / MANIFEST} names a file outside its folder: {name!r}.")
        try:
            found = sha256_of(path / name)
        except OSError as exc:
            raise BundleError(f"{path} is incomplete: {name} cannot be read.") from exc
        if found != record["sha256"]:
            raise BundleError(
                f"{path / name} is damaged: its SHA-256 is not the one in {MANIFEST}.",
                "Fetch or train the model again.",
            )


def _parse_graphs(
    path: Path, graphs: Mapping[str, str], files: Mapping[str, Any]
) -> dict[str, Path]:
    if set(graphs.keys()) not in GRAPHS:
        known = " or ".join(" and ".join(sorted(parts)) for parts in GRAPHS)
        raise ValueError(f"its graphs are {', '.join(map(str, graphs)) or 'none'}, not {known}")
    for name in graphs.values():
        if name not in files:
            raise ValueError(f"graph {name!r} is not among the files")
    return {part: path / name for part, name in graphs.items()}


def _parse_labels(items: list[Mapping[str, Any]]) -> tuple[Label, ...]:
    labels = tuple(
        Label(str(item["name"]), str(item["title"]), bool(item.get("background", False)))
        for item in items
    )
    names = {label.name for label in labels}
    if len(labels) < 2 or len(names) != len(labels):
        raise ValueError("it needs at least two labels, each with a name of its own")
    return labels


def _parse_input(item: Mapping[str, Any]) -> ModelInput:
    parsed = ModelInput(
        width=int(item["width"]),
        height=int(item["height"]),
        fps=float(item["fps"]),
        frames=int(item["frames"]),
        stride=int(item["stride"]),
        reference=float(item.get("reference", 0.5)),
    )
    if min(parsed.width, parsed.height, parsed.frames, parsed.stride) < 1 or parsed.fps <= 0:
        raise ValueError("sizes, rate and stride of the input must be positive")
    if not 0 <= parsed.reference <= 1:
        raise ValueError("the reference of the input must lie between 0 and 1")
    return parsed

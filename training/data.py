"""The datasets of the everyday model and how they are split."""

from __future__ import annotations

import csv
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.errors import ConfigError
from contracts.types import Annotation
from inference.bundle import Label
from training.samples import FrameCache, Frames, Sample

NONE = "none"

LABELS: tuple[Label, ...] = (
    Label("bend", "Bend down"),
    Label("jack", "Jumping jack"),
    Label("jump", "Jump forward"),
    Label("pjump", "Jump in place"),
    Label("run", "Run"),
    Label("side", "Gallop sideways"),
    Label("skip", "Skip on one leg"),
    Label("walk", "Walk"),
    Label("wave1", "Wave one hand"),
    Label("wave2", "Wave both hands"),
    Label(NONE, "No action", background=True),
)
LABEL_NAMES = tuple(label.name for label in LABELS)

WEIZMANN_ACTORS = ("daria", "denis", "eli", "ido", "ira", "lena", "lyova", "shahar")
"""The actors of the copies that circulate with whole clips, in alphabetical order."""


@dataclass(frozen=True, slots=True)
class Split:
    """Groups of a dataset held out from training.

    Attributes:
        validation: Groups everything is chosen on.
        test: Groups that are looked at once, at the end.
    """

    validation: frozenset[str]
    test: frozenset[str]

    def part_of(self, group: str) -> str:
        """Return ``train``, ``validation`` or ``test``."""
        if group in self.validation:
            return "validation"
        return "test" if group in self.test else "train"

    def select(self, samples: Iterable[Sample], part: str) -> list[Sample]:
        """Return the samples of one part, in their order."""
        return [sample for sample in samples if self.part_of(sample.group) == part]


# Fixed before the first training: the last two actors, and lena for choosing.
WEIZMANN_SPLIT = Split(validation=frozenset({"lena"}), test=frozenset({"lyova", "shahar"}))
# Sequences of UT-Interaction, set 1: its last two, and the one before them.
UT_SPLIT = Split(validation=frozenset({"ut-seq6"}), test=frozenset({"ut-seq7", "ut-seq8"}))


def find_data(root: Path | None, name: str) -> Path:
    """Find the folder of a dataset.

    Args:
        root: Folder that holds the datasets, or None for ``../shared/data``.
        name: The dataset's folder.

    Returns:
        The folder.

    Raises:
        ConfigError: It is not there.
    """
    base = root if root is not None else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (base / name).is_dir():
        raise ConfigError(
            f"No folder {name!r} in {base}.",
            "Name the folder that holds the datasets with --data.",
        )
    return base / name


def cached_video(cache: FrameCache, path: Path) -> Frames:
    """Return the frames of a video as they are."""
    return cache.video(path)


def load_weizmann(
    folder: Path,
    cache: FrameCache,
    read: Callable[[FrameCache, Path], Frames] = cached_video,
    actors: Container[str] = WEIZMANN_ACTORS,
) -> list[Sample]:
    """Read the Weizmann actions (Gorelick et al. 2007).

    Args:
        folder: Holds ``<action>/<actor>_<action>.avi``.
        cache: Keeps the decoded frames.
        read: Gives the frames of a video.
        actors: Whose videos are read.

    Returns:
        One trimmed sample per file, sorted by key; the group is the actor.

    Raises:
        ConfigError: No video there.
        SourceError: A video cannot be decoded.
    """
    samples = []
    for path in _videos(folder, "*/*.avi"):
        actor = path.stem.partition("_")[0]
        if actor in actors:
            key = f"weizmann/{path.parent.name}/{path.stem}"
            samples.append(_trimmed(key, read(cache, path), path.parent.name, actor))
    return samples


def load_other_movement(folder: Path, cache: FrameCache) -> list[Sample]:
    """Read UT-Interaction (Ryoo and Aggarwal 2010), set 1, as movement that is none of our actions.

    Args:
        folder: Holds ``set1/<class>/seqNN_MMM.avi``.
        cache: Keeps the decoded frames.

    Returns:
        One sample per file, labelled `NONE`, sorted by key; the group is the sequence.

    Raises:
        ConfigError: No video there.
        SourceError: A video cannot be decoded.
    """
    samples = []
    for path in _videos(folder, "set1/*/*.avi"):
        sequence = int(path.stem[3:].partition("_")[0])
        key = f"ut-interaction/{path.parent.name}/{path.stem}"
        samples.append(_trimmed(key, cache.video(path), NONE, f"ut-seq{sequence}"))
    return samples


def load_fights(folder: Path, cache: FrameCache) -> list[Sample]:
    """Read the fights of surveillance cameras as movement that is none of ours.

    Aktı, Tataroğlu, Ekenel: Vision-based Fight Detection from Surveillance Cameras, 2019.

    Clips whose source is unknown are left out: they might be cut from a video of another part. The
    peaceful clips are left out too: people walk in some of them, and nothing says in which.

    Args:
        folder: Holds ``sources.csv`` and the videos that it names.
        cache: Keeps the decoded frames.

    Returns:
        One sample per fight, labelled `NONE`; the group is the source video.

    Raises:
        ConfigError: No list of sources there.
        SourceError: A video cannot be decoded.
    """  # noqa: RUF002 (the author's name)
    try:
        rows = csv.DictReader((folder / "sources.csv").read_text(encoding="utf-8").splitlines())
    except OSError as exc:
        raise ConfigError(f"No list of sources in {folder}.") from exc
    fights = sorted(
        (row["clip"], row["source"])
        for row in rows
        if row["label"] == "fight" and row["source"].strip()
    )
    return [
        _trimmed(f"fights/{Path(clip).stem}", cache.video(folder / clip), NONE, source)
        for clip, source in fights
    ]


def split_by_group(samples: Sequence[Sample]) -> Split:
    """Hold out every fifth group to choose on, and the one after it to test on.

    Args:
        samples: Samples of one dataset.

    Returns:
        The split; the same for the same groups.
    """
    groups = sorted({sample.group for sample in samples})
    return Split(validation=frozenset(groups[3::5]), test=frozenset(groups[4::5]))


def _videos(folder: Path, pattern: str) -> list[Path]:
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise ConfigError(f"No video {pattern} in {folder}.")
    return paths


def _trimmed(key: str, video: Frames, label: str, group: str) -> Sample:
    frames, times_s = video
    return Sample(
        key=key,
        frames=frames,
        times_s=times_s,
        segments=(Annotation(label, 0.0, np.inf),),
        group=group,
        source=key.partition("/")[0],
    )

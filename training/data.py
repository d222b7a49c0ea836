"""The datasets of the everyday model and how they are split."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import ConfigError
from inference.bundle import Label
from training.datasets import fights, ut_interaction, weizmann
from training.datasets.loading import load_samples
from training.samples import FrameCache, Sample

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
    Label("handshake", "Shake hands"),
    Label("hug", "Hug"),
    Label("kick", "Kick somebody"),
    Label("point", "Point at something"),
    Label("punch", "Punch somebody"),
    Label("push", "Push somebody"),
    Label(NONE, "No action", background=True),
)
LABEL_NAMES = tuple(label.name for label in LABELS)
WEIZMANN_ACTIONS = LABEL_NAMES[:10]
INTERACTIONS = ("handshake", "hug", "kick", "point", "punch", "push")

FIGHT_LABELS: tuple[Label, ...] = (
    Label("fight", "Fight"),
    Label("no_fight", "No fight", background=True),
)

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
# Sequences of UT-Interaction, of each set: the last two given, and the one before them.
UT_SPLIT = Split(
    validation=frozenset({"seq06", "seq16"}), test=frozenset({"seq07", "seq08", "seq17", "seq18"})
)


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


def load_weizmann(
    folder: Path, cache: FrameCache, actors: Container[str] = WEIZMANN_ACTORS
) -> list[Sample]:
    """Read the Weizmann actions (Gorelick et al. 2007).

    Args:
        folder: Holds ``<action>/<actor>_<action>.avi``.
        cache: Gives the decoded frames.
        actors: Whose videos are read.

    Returns:
        One trimmed sample per file, sorted by key; the group is the actor.

    Raises:
        ConfigError: No video there.
    """
    videos = [video for video in weizmann.read(folder).videos if video.group in actors]
    return load_samples("weizmann", videos, cache)


def load_interactions(folder: Path, cache: FrameCache) -> list[Sample]:
    """Read both sets of UT-Interaction (Ryoo and Aggarwal 2010).

    Args:
        folder: Holds ``set1`` and ``set2``.
        cache: Keeps the decoded frames.

    Returns:
        One trimmed sample per file, sorted by key; the group is the sequence.

    Raises:
        ConfigError: No video there.
    """
    return load_samples("interactions", ut_interaction.read(folder).videos, cache)


def load_fights(folder: Path, cache: FrameCache) -> list[Sample]:
    """Read the clips of surveillance cameras whose source is known.

    Clips of unknown source are left out: they might be cut from a video of another part.

    Args:
        folder: Holds ``sources.csv`` and the videos that it names.
        cache: Keeps the decoded frames.

    Returns:
        One trimmed sample per file, sorted by key; the group is the source video.

    Raises:
        ConfigError: No list of sources there.
    """
    videos = [video for video in fights.read(folder).videos if video.group != video.name]
    return load_samples("fights", videos, cache)


def split_by_group(samples: Sequence[Sample]) -> Split:
    """Hold out every fifth group to choose on, and the one after it to test on.

    Args:
        samples: Samples of one dataset.

    Returns:
        The split; the same for the same groups.
    """
    groups = sorted({sample.group for sample in samples})
    return Split(validation=frozenset(groups[3::5]), test=frozenset(groups[4::5]))

"""The bundles that ship: what each is trained on, and how.

`drawn` has seen drawn figures alone: no research data, so no terms but the project's. The others,
and the folds of `protocols`, start from its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from inference.bundle import SHIPPED
from inference.models.frame_encoder import FrameEncoderConfig
from training.augment import AugmentConfig
from training.batches import Data
from training.building import DataUse, Plan
from training.catalogue import DataOptions, load_dataset
from training.clips import ClipShape, Mixture
from training.config import (
    OptimizerConfig,
    ScheduleConfig,
    StartConfig,
    TrainConfig,
    ValidationConfig,
)
from training.data import FIGHT_LABELS, LABELS
from training.samples import Sample

_FIGURES = DataUse(
    name="drawn figures",
    use="actions, interactions, idling, things that move",
    source="drawn by this project: training/figures",
    terms="as the project",
    split="Drawn figures by seed.",
)
_WEIZMANN = DataUse(
    name="Weizmann actions",
    use="actions, empty scenes and still people; actors daria, denis, eli, ido, ira",
    source="Gorelick, Blank, Shechtman, Irani, Basri: Actions as Space-Time Shapes, 2007",
    terms="research use",
    split="Weizmann by actor: lena to choose on; lyova and shahar to test on, once.",
)
_INTERACTIONS = DataUse(
    name="UT-Interaction, both sets",
    use="interactions, and crops without one; sequences 1 to 5 and 11 to 15",
    source="Ryoo, Aggarwal: UT-Interaction Dataset, 2010",
    terms="research use",
    split="UT-Interaction by sequence: 6 and 16 to choose on; 7, 8, 17 and 18 to test on, once.",
)
_FIGHTS = DataUse(
    name="surveillance-camera fights",
    use="fights and other scenes; three fifths of the source videos",
    source="Aktı, Tataroğlu, Ekenel: Vision-based Fight Detection from "  # noqa: RUF001
    "Surveillance Cameras, 2019",
    terms="MIT",
    split=(
        "Fights by source video: every fifth to choose on, and the next to test on, once; clips of "
        "unknown source are left out."
    ),
)
_FIXED_CAMERA = "The camera stands still."


@dataclass(frozen=True, slots=True)
class Recipe:
    """A bundle that ships, and how it is made.

    Attributes:
        plan: What the bundle is to be.
        trained_on: Names of datasets.
        chosen_on: Names of datasets whose validation parts the best weights are chosen on.
        config: What the training decides.
    """

    plan: Plan
    trained_on: tuple[str, ...]
    chosen_on: tuple[str, ...]
    config: TrainConfig


def load_data(recipe: Recipe, options: DataOptions) -> Data:
    """Load what a recipe learns from and is chosen on.

    Args:
        recipe: The recipe.
        options: Where data come from; frames are made in the size of the recipe's network.

    Returns:
        The samples.

    Raises:
        ConfigError: A dataset is missing.
        SourceError: A video cannot be decoded.
    """
    net = recipe.config.net
    sized = replace(options, width=net.width, height=net.height)

    def collect(names: Sequence[str], part: str) -> list[Sample]:
        return [sample for name in names for sample in load_dataset(name, part, sized)]

    return Data(
        labels=recipe.plan.label_names,
        train=collect(recipe.trained_on, "train"),
        validation=collect(recipe.chosen_on, "validation"),
        background=recipe.plan.background,
    )


DRAWN = Recipe(
    plan=Plan(
        name="drawn",
        summary=(
            "Ten actions of one person, six interactions of two and none of them, learned from "
            "drawn figures alone: where to start from with data of one's own."
        ),
        labels=LABELS,
        data=(_FIGURES,),
        command="actionstream train drawn",
        limits=(
            "It has never seen a real person: train it further before use.",
            _FIXED_CAMERA,
        ),
    ),
    trained_on=("figures",),
    chosen_on=("figures",),
    config=TrainConfig(
        FrameEncoderConfig(classes=len(LABELS)),
        # What is coarse must not be small as well.
        changes=AugmentConfig(zoom=(0.75, 1.7)),
        steps=2400,
        schedule=ScheduleConfig(coarse=0.85),
    ),
)

EVERYDAY = Recipe(
    plan=Plan(
        name="everyday",
        summary=(
            "Ten everyday actions of one person and six interactions of two, seen whole by a "
            "camera that does not move, and none of them."
        ),
        labels=LABELS,
        data=(_WEIZMANN, _INTERACTIONS, _FIGURES),
        command="actionstream train everyday",
        limits=(
            "It knows the sixteen actions and nothing else; other movement should come out as "
            "`none`, but was tried on few kinds of it.",
            "One scene at a time: with several people who do different things, it says what most "
            "of the movement in the picture is.",
            f"{_FIXED_CAMERA} People are about a quarter of the picture's height or more; in the "
            "interactions, half or more.",
            "Seen from the side for run, skip, walk, jump, side and the interactions; from the "
            "front for the other actions.",
            "Trained on few people in three places, and on drawn figures; other places are not "
            "measured.",
        ),
    ),
    trained_on=("weizmann", "interactions", "empty", "figures"),
    chosen_on=("weizmann", "interactions", "still", "figures"),
    config=TrainConfig(
        FrameEncoderConfig(classes=len(LABELS), recent=4),
        # Two seconds hold a whole interaction; 8 frames/s are enough to tell a run from a skip.
        shape=ClipShape(fps=8.0, reference=0.9),
        start=StartConfig(path=SHIPPED / "drawn"),
        optimizer=OptimizerConfig(learning_rate=2e-3),
        schedule=ScheduleConfig(coarse=0.6),
        validation=ValidationConfig(stride=1),
        steps=1600,
    ),
)

FIGHT = Recipe(
    plan=Plan(
        name="fight",
        summary="Fights in the pictures of surveillance cameras, and everything else.",
        labels=FIGHT_LABELS,
        data=(_FIGHTS,),
        command="actionstream train fight",
        limits=(
            "An alarm to look at, not evidence: see the share of wrong answers above.",
            "Trained on 128 clips of about two seconds; crowds, sport and play fights are hardly "
            "among them.",
        ),
    ),
    trained_on=("fights",),
    chosen_on=("fights",),
    config=TrainConfig(
        FrameEncoderConfig(classes=len(FIGHT_LABELS)),
        mixture=Mixture(none=1.0, frozen=0.1, recorded=1.0),
        start=StartConfig(path=SHIPPED / "drawn"),
        optimizer=OptimizerConfig(learning_rate=1e-3),
        schedule=ScheduleConfig(coarse=0.5),
        validation=ValidationConfig(every=50),
        steps=300,
    ),
)

RECIPES = {recipe.plan.name: recipe for recipe in (EVERYDAY, FIGHT, DRAWN)}
"""Recipes by the name of their bundle."""

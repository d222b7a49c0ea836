"""Everything a training run decides, as YAML can say it.

Values that other modules own (network, clips, random changes) keep their own types; all are checked
when made, and a key that does not exist is an error.
"""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from inference.models.frame_encoder import FrameEncoderConfig
from training.augment import AugmentConfig
from training.clips import ClipShape, Mixture

STRICT = ConfigDict(extra="forbid", strict=True)

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True, config=STRICT)
class MixingConfig:
    """Clips of a batch mixed with each other, after the changes of each; none by default.

    Attributes:
        mixup: Probability that a clip is blended with another one.
        mixup_alpha: Both parameters of the beta distribution of its share; small: mostly one clip.
        cutmix: Probability that a box of a clip, the same in all frames, shows another one.
        cutmix_alpha: Both parameters of the beta distribution of the box's area.
        cutout: Probability that a box of a clip, the same in all frames, is grey.
        cutout_size: Greatest width and height of that box, as shares of the picture.
    """

    mixup: Share = 0.0
    mixup_alpha: Positive = 0.2
    cutmix: Share = 0.0
    cutmix_alpha: Positive = 1.0
    cutout: Share = 0.0
    cutout_size: Share = 0.5

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if self.mixup + self.cutmix > 1:
            raise ValueError("mixup and cutmix exclude each other: together at most 1")
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class LossConfig:
    """What is made small.

    Attributes:
        name: `cross-entropy`, or `focal`, which weighs down what is already known.
        gamma: Exponent of the focal loss.
        smoothing: Share of each target spread over all classes.
        class_weights: `none`; `balanced`: by the inverse of a class's segments; `effective`: by the
            inverse of their effective number. Clips are drawn evenly over the classes already, so
            this is for telling classes apart by what an error costs, not for making up for a draw.
        beta: Of the effective number: how much a segment more still adds, just below 1.
        contrastive: Weight of the supervised contrastive loss on the head's pooled vector.
        contrastive_temperature: Its temperature.
        center: Weight of the center loss on the head's pooled vector; try 0.01 or less.
        center_rate: Share of the way to its clips that a center goes per update.
        boundaries: Weight of the cross-entropy of starts, ends and actionness.
    """

    name: Literal["cross-entropy", "focal"] = "cross-entropy"
    gamma: Weight = 2.0
    smoothing: Share = 0.05
    class_weights: Literal["none", "balanced", "effective"] = "none"
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.999
    contrastive: Weight = 0.0
    contrastive_temperature: Positive = 0.1
    center: Weight = 0.0
    center_rate: Share = 0.5
    boundaries: Weight = 0.3


@dataclass(frozen=True, slots=True, config=STRICT)
class OptimizerConfig:
    """How weights follow their gradients.

    Attributes:
        name: `adamw` or `sgd` (with Nesterov's momentum).
        learning_rate: Greatest rate; `sgd` wants about ten times that of `adamw`.
        weight_decay: On weights of convolutions and linear layers; not on biases and norms.
        momentum: Of `sgd`; the first beta of `adamw`. `one-cycle` moves it.
        clip: Greatest norm of all gradients together.
        average: Weight that the average of weights, which is what is kept, keeps per update.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Positive = 3e-3
    weight_decay: Weight = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    clip: Positive = 5.0
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99


@dataclass(frozen=True, slots=True, config=STRICT)
class ScheduleConfig:
    """What changes over the run: the learning rate and the size of the pictures.

    Attributes:
        name: `one-cycle`, `cosine`, `constant`, `step`, or `plateau`.
        warmup: Share of the updates in which the rate rises, with every schedule.
        steps: Of `step`: where the rate falls, as shares of the updates.
        factor: Of `step` and `plateau`: what the rate is multiplied by.
        patience: Of `plateau`: validations without a better one before the rate falls.
        coarse: Share of the updates, at the start, that see pictures of half the width and height:
            a quarter of the cost, and nearly as good to learn from.
    """

    name: Literal["one-cycle", "cosine", "constant", "step", "plateau"] = "one-cycle"
    warmup: Share = 0.15
    steps: tuple[Share, ...] = (0.6, 0.85)
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: Count = 3
    coarse: Share = 0.4


@dataclass(frozen=True, slots=True, config=STRICT)
class ValidationConfig:
    """What the best weights are chosen by, and when there is nothing more to wait for.

    Attributes:
        every: Updates between two validations and two checkpoints; no validation while pictures
            are coarse.
        stride: Sampled frames between two windows.
        metric: `mean`: mean over the datasets of the share of windows with the right top label;
            `macro_f1`: mean over the classes; `loss`: cross-entropy; or the name of one dataset.
        patience: Validations without a better one before the run ends early; null: never.
    """

    every: Count = 100
    stride: Count = 2
    metric: str = "mean"
    patience: Count | None = None


@dataclass(frozen=True, slots=True, config=STRICT)
class StartConfig:
    """Weights to begin with.

    Attributes:
        path: Folder of a run or of a bundle. Layers of the same shape are taken; if the labels
            differ, the classifier is new. null: random weights.
        freeze: Whether the encoder keeps those weights: only the head learns, and far faster.
        encoder_rate: Learning rate of the encoder as a share of the head's.
    """

    path: Path | None = None
    freeze: bool = False
    encoder_rate: Share = 1.0


@dataclass(frozen=True, slots=True, config=STRICT)
class DistillationConfig:
    """Learning from other networks' scores (Hinton, Vinyals, Dean 2015) beside the labels.

    Attributes:
        teachers: Folders of runs or bundles; the mean of their scores is what is taught.
        weight: Share of the teachers in the loss; the labels have the rest.
        temperature: Softens the scores of both sides.
        flip: Whether teachers also see each clip mirrored; not where left and right are labels.
    """

    teachers: tuple[Path, ...] = ()
    weight: Share = 0.5
    temperature: Positive = 2.0
    flip: bool = False


@dataclass(frozen=True, slots=True, config=STRICT)
class HardwareConfig:
    """What computes.

    Attributes:
        device: `auto` takes a GPU if there is one; `cpu`; `cuda`.
        precision: `auto` takes bfloat16 where the device has it; `bf16`; `fp16` (GPU only, with
            scaled gradients); `fp32`. Weights are float32 always.
        threads: Threads that torch computes with.
        loaders: Threads that make batches; one keeps up with a processor, not with a GPU.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    threads: Count = 2
    loaders: Count = 1


@dataclass(frozen=True, slots=True, config=STRICT)
class TrackingConfig:
    """Where the run is reported, beside its own folder.

    Attributes:
        name: `none`, or `mlflow`, which needs the extra of that name.
        uri: An MLflow server or database; null: `mlflow/mlflow.db` beside the run's folder.
        experiment: Name of the experiment.
        model: Name that the bundle's versions are registered under; null: none is registered.
    """

    name: Literal["none", "mlflow"] = "none"
    uri: str | None = None
    experiment: str = "actionstream"
    model: str | None = None


@dataclass(frozen=True, slots=True, config=STRICT)
class TrainConfig:
    """Everything a run decides.

    Attributes:
        net: Shape of the network.
        shape: Time of the clips.
        mixture: Kinds of clips.
        changes: Random changes of a clip.
        mixing: Clips mixed with each other.
        loss: What is made small.
        optimizer: How weights follow their gradients.
        schedule: What changes over the run.
        validation: What the best weights are chosen by.
        start: Weights to begin with.
        distillation: Networks to learn from.
        hardware: What computes.
        tracking: Where the run is reported.
        steps: Weight updates.
        batch: Clips per update.
        seed: Start of all chance.
    """

    net: FrameEncoderConfig
    shape: ClipShape = field(default_factory=ClipShape)
    mixture: Mixture = field(default_factory=Mixture)
    changes: AugmentConfig = field(default_factory=AugmentConfig)
    mixing: MixingConfig = field(default_factory=MixingConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    start: StartConfig = field(default_factory=StartConfig)
    distillation: DistillationConfig = field(default_factory=DistillationConfig)
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    steps: Count = 2600
    batch: Count = 32
    seed: Annotated[int, Field(ge=0)] = 0

"""The folder of a run: its configuration, its best weights, what it found, and how to go on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from contracts.errors import ConfigError
from inference.bundle import MANIFEST, Bundle
from inference.models.frame_encoder import ARCHITECTURE, ActionNet, FrameEncoderConfig

RUN_FILE = "run.json"
WEIGHTS_FILE = "best.safetensors"
CONFIG_FILE = "config.yaml"
CHECKPOINT_FILE = "checkpoint.pt"
_BUNDLE_WEIGHTS = "weights.safetensors"
_CLASSIFIER = "head.classify."


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained network on disk.

    Attributes:
        config: Shape of the network.
        labels: Names of the classes, or None where the run is too old to say.
        state: Weights by name.
        facts: Where it comes from, for the record of a run that starts from it.
    """

    config: FrameEncoderConfig
    labels: tuple[str, ...] | None
    state: dict[str, Tensor]
    facts: dict[str, Any]

    def build(self) -> ActionNet:
        """Return the network, ready to score."""
        net = ActionNet(self.config)
        net.load_state_dict(self.state)
        return net.eval()


def read_trained(path: Path) -> Trained:
    """Read the network of a run or of a bundle.

    Args:
        path: Folder of a run (its best weights are taken) or of a bundle.

    Returns:
        Its weights and what they mean.

    Raises:
        ConfigError: The folder holds neither, or a bundle without weights that torch can use.
        BundleError: The bundle is damaged.
    """
    if (path / MANIFEST).is_file():
        return _read_bundle(Bundle.load(path))
    try:
        run = json.loads((path / RUN_FILE).read_text(encoding="utf-8"))
        state = load_file(path / WEIGHTS_FILE)
    except FileNotFoundError as exc:
        raise ConfigError(
            f"{path} holds neither a bundle nor a run with weights.",
            f"A bundle has {MANIFEST}; a run has {RUN_FILE} and {WEIGHTS_FILE}.",
        ) from exc
    kept = ("config", "code", "data", "samples", "seconds", "start")
    best = max(run["history"], key=lambda entry: entry["mean"])
    return Trained(
        config=FrameEncoderConfig.from_dict(run["config"]["net"]),
        labels=tuple(run["labels"]) if "labels" in run else None,
        state=state,
        facts={**{key: run[key] for key in kept if key in run}, "best": best},
    )


def _read_bundle(bundle: Bundle) -> Trained:
    shape = dict(bundle.manifest.get("architecture", {}))
    if shape.pop("name", None) != ARCHITECTURE or not (bundle.path / _BUNDLE_WEIGHTS).is_file():
        raise ConfigError(
            f"{bundle.model_id} holds no weights of the {ARCHITECTURE} architecture.",
            "Start from a bundle or a run that this trainer made.",
        )
    return Trained(
        config=FrameEncoderConfig.from_dict(shape),
        labels=bundle.label_names,
        state=load_file(bundle.path / _BUNDLE_WEIGHTS),
        facts={"bundle": bundle.model_id},
    )


def take_over(net: ActionNet, trained: Trained, labels: tuple[str, ...]) -> list[str]:
    """Fill a network with the weights of another as far as they fit.

    A layer fits whose tensors all have the same shapes; neither length of a window nor size of a
    batch matters. Of the classifier, the rows of labels are taken that both tell apart.

    Args:
        net: The network to fill.
        trained: Where weights come from.
        labels: What the network is to tell apart.

    Returns:
        Names of the layers that stay as they were.

    Raises:
        ConfigError: No layer fits.
    """
    own = net.state_dict()
    misfits = {
        _layer(name)
        for name, value in own.items()
        if name not in trained.state or trained.state[name].shape != value.shape
    }
    if trained.labels not in (None, labels):
        misfits.add(_layer(_CLASSIFIER))
    taken = {name: trained.state[name] for name in own if _layer(name) not in misfits}
    if not taken:
        raise ConfigError("No layer of the weights to start from fits the network.")
    net.load_state_dict({**own, **taken})
    if _layer(_CLASSIFIER) in misfits:
        _take_rows(net.head.classify, replace(trained, labels=trained.labels or labels), labels)
    return sorted(misfits)


@torch.no_grad()
def _take_rows(classifier: nn.Linear, trained: Trained, labels: tuple[str, ...]) -> None:
    """Fill the rows of the labels that the other classifier knows too."""
    rows = {label: row for row, label in enumerate(trained.labels or ())}
    weight, bias = (trained.state[f"{_CLASSIFIER}{name}"] for name in ("weight", "bias"))
    known = weight.shape[1]
    if known > classifier.in_features:
        return
    for index, label in enumerate(labels):
        if label in rows:
            # What the other head did not look at counts nothing at first.
            classifier.weight[index] = 0
            classifier.weight[index, :known] = weight[rows[label]]
            classifier.bias[index] = bias[rows[label]]


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def load_weights(net: ActionNet, path: Path) -> ActionNet:
    """Fill a network with weights a run or a bundle keeps.

    Args:
        net: A network of the shape the weights have.
        path: A safetensors file.

    Returns:
        The network, ready to score.
    """
    net.load_state_dict(load_file(path))
    return net.eval()


def write_run(folder: Path, net: ActionNet, facts: Mapping[str, Any]) -> None:
    """Write the best weights and what is known of the run, each whole or not at all.

    Args:
        folder: The run's folder.
        net: The network with the best weights.
        facts: JSON values.
    """
    state = {key: value.contiguous().clone() for key, value in net.state_dict().items()}
    part = folder / f"{WEIGHTS_FILE}.part"
    save_file(state, part)
    part.replace(folder / WEIGHTS_FILE)
    write_text(folder / RUN_FILE, json.dumps(facts, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def save_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Write all that a run needs to go on, whole or not at all.

    Args:
        folder: The run's folder.
        state: Tensors, numbers, texts, and lists and dicts of them.
    """
    part = folder / f"{CHECKPOINT_FILE}.part"
    with part.open("wb") as file:
        torch.save(dict(state), file)
        # A machine that loses power must find the old checkpoint or the new one.
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / CHECKPOINT_FILE)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Read what `save_checkpoint` wrote; None where a run has not come so far.

    Raises:
        ConfigError: The run is finished.
    """
    if (folder / CHECKPOINT_FILE).is_file():
        state: dict[str, Any] = torch.load(
            folder / CHECKPOINT_FILE, map_location="cpu", weights_only=True
        )
        return state
    if (folder / RUN_FILE).is_file():
        raise ConfigError(
            f"{folder} holds a run that is finished.",
            "Start a new one from its weights, or choose another folder.",
        )
    return None


def remove_checkpoint(folder: Path) -> None:
    """Forget how to go on: the run is finished."""
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)

"""Published MoViNet weights to bundles: loaded as weights only, and exported.

A state dict is a pickle; torch reads it here with ``weights_only``, which runs no code of it, and
only once its hash is the expected one. Its keys must be exactly those of our network.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from contracts.errors import DownloadError
from inference.bundle import Bundle, Label
from inference.models.movinet import SIZES, BaseMoViNet
from inference.models.movinet_stream import StreamMoViNet
from training.export import label_entry
from training.movinet import export_clip, export_stream
from training.published import PublishedModel

_VERSION = "1.0.0"
# Top-1 on Kinetics-600 as the paper and its authors publish it.
_TOP_1 = {("a0", True): 72.05, ("a1", True): 76.45, ("a2", True): 78.40}
_LIMITS = [
    "Published figures are on ten-second clips cut around one action; nothing is measured here.",
    "No class means that nothing happens: a score is spread over actions even then.",
    "Scores are the softmax as trained, not calibrated.",
]
_LIMITS_STREAM = [
    *_LIMITS,
    "The running means forget after ten seconds, so that endless streams stay sensitive; the "
    "weights were trained with means that do not forget, on clips of that length.",
]
_LIMITS_BASE = [*_LIMITS, "Every clip is computed anew: many times the cost of the streaming one."]


def make_bundle(model: PublishedModel, weights: Path, labels: Path, path: Path) -> Bundle:
    """Make a bundle of a published model.

    Args:
        model: What the state dict is of.
        weights: The state dict, whose hash has been checked.
        labels: Names of the classes, one a line, in the order of the scores.
        path: Folder of the bundle; replaced.

    Returns:
        The bundle as read back and verified.

    Raises:
        DownloadError: The file holds no state dict of that network.
        OSError: The folder cannot be written.
    """
    config = SIZES[model.size]
    net = StreamMoViNet(config) if model.stream else BaseMoViNet(config)
    _load(net, weights)
    names = labels.read_text(encoding="utf-8").splitlines()
    facts = {
        "name": model.name,
        "version": _VERSION,
        "labels": [label_entry(Label(name, name.capitalize())) for name in names],
        **_facts(model),
    }
    if isinstance(net, StreamMoViNet):
        return export_stream(net, facts, path)
    return export_clip(net, facts, path)


def _load(net: nn.Module, weights: Path) -> None:
    wrong = DownloadError(f"{weights} holds no state dict of this network.", "Remove the file.")
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as exc:
        raise wrong from exc
    if not isinstance(state, dict):
        raise wrong
    try:
        net.load_state_dict(state)
    except RuntimeError as exc:
        raise wrong from exc


def _facts(model: PublishedModel) -> dict[str, Any]:
    top_1 = _TOP_1.get((model.size, model.stream))
    kind = "streaming" if model.stream else "base"
    said = f"; {top_1:.2f} % top-1 on Kinetics-600 as published" if top_1 else ""
    return {
        "summary": f"MoViNet-{model.size.upper()} {kind}: the 600 actions of Kinetics-600{said}.",
        "training": {
            "data": [
                {
                    "name": "Kinetics-600",
                    "use": "the weights were trained on it by the network's authors",
                    "terms": "annotations CC BY 4.0 (Google); the videos belong to their uploaders",
                }
            ],
            "weights": model.weights.url,
            "weights_digest": model.weights.digest,
            "licence": "MIT (Atze00/MoViNet-pytorch), of weights the authors publish as Apache-2.0",
            "command": f"actionstream models pull {model.name}",
        },
        "metrics": [],
        "limits": _LIMITS_STREAM if model.stream else _LIMITS_BASE,
    }

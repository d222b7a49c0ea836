"""Trained networks to bundles: ONNX graphs, weights, ``bundle.json`` and a model card."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import onnx
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from inference.bundle import MANIFEST, SCHEMA, Bundle, Label, ModelInput, sha256_of
from inference.models.frame_encoder import (
    ARCHITECTURE,
    ActionNet,
    FrameEncoder,
    TemporalHead,
    count_macs,
)
from training.model_card import render_card

ENCODER_FILE = "encoder.onnx"
HEAD_FILE = "head.onnx"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "MODEL_CARD.md"
_OPSET = 18


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What a bundle says of itself beside its graphs.

    Attributes:
        name: Name of the model.
        version: Version of the model.
        summary: One sentence for people.
        labels: The classes, in the order of the scores.
        input: Frame size, rate and window.
        temperature: Divides the logits before the softmax; calibrated on validation data.
        training: Data with its terms, split, seed, configuration, code version, date.
        metrics: Measured figures, each with the command that measured it.
        limits: What the model is known not to do, one sentence each.
    """

    name: str
    version: str
    summary: str
    labels: tuple[Label, ...]
    input: ModelInput
    temperature: float = 1.0
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Sequence[Mapping[str, Any]] = ()
    limits: Sequence[str] = ()


def export_bundle(net: ActionNet, facts: BundleFacts, path: Path) -> Bundle:
    """Write a bundle, whole or not at all; one that is there is replaced.

    Args:
        net: The trained network.
        facts: What the bundle says of itself.
        path: Folder of the bundle.

    Returns:
        The bundle as read back and verified.

    Raises:
        OSError: The folder cannot be written.
    """

    def fill(folder: Path) -> dict[str, Any]:
        _write_graphs(net, facts.temperature, folder)
        save_weights(net, folder)
        return _manifest(net, facts)

    return write_bundle(path, fill)


def write_bundle(path: Path, fill: Callable[[Path], dict[str, Any]]) -> Bundle:
    """Write a bundle, whole or not at all; one that is there is replaced.

    Args:
        path: Folder of the bundle.
        fill: Writes graphs and weights into the folder it is given, and returns the manifest but
            for its files.

    Returns:
        The bundle as read back and verified.

    Raises:
        BundleError: What was written is no bundle.
        OSError: The folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        _seal(building, fill(building))
        Bundle.load(building)
        _replace(building, path)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Bundle.load(path)


def save_weights(net: nn.Module, folder: Path) -> None:
    """Write a network's weights into the folder of a bundle, where torch can read them again.

    Args:
        net: Any network.
        folder: Receives ``weights.safetensors``.
    """
    state = {key: value.contiguous().clone() for key, value in net.state_dict().items()}
    save_file(state, folder / WEIGHTS_FILE)


def amend_manifest(path: Path, changes: Mapping[str, Any]) -> Bundle:
    """Change top-level fields of a bundle's manifest, for example its measured figures.

    Args:
        path: Folder of the bundle.
        changes: New values of fields of ``bundle.json``.

    Returns:
        The bundle as read back and verified.

    Raises:
        BundleError: The bundle is missing or damaged.
    """
    manifest = {**Bundle.load(path).manifest, **changes}

    def fill(folder: Path) -> dict[str, Any]:
        for name in manifest.pop("files"):
            shutil.copyfile(path / name, folder / name)
        return manifest

    return write_bundle(path, fill)


class _ScoringHead(nn.Module):
    """The head with its calibrated softmax."""

    def __init__(self, head: TemporalHead, temperature: float) -> None:
        super().__init__()
        self.head = head
        self.temperature = temperature

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return scores and logits (B, classes), and if there are any marks (B, 3), of features."""
        embedding = self.head.embed(features)
        logits = self.head.classify(embedding)
        outputs = (torch.softmax(logits / self.temperature, dim=1), logits)
        mark = self.head.mark
        return outputs if mark is None else (*outputs, torch.sigmoid(mark(embedding)))


def _write_graphs(net: ActionNet, temperature: float, folder: Path) -> None:
    net = net.eval()
    config = net.config
    frame = torch.zeros(2, config.height, config.width, 3, dtype=torch.uint8)
    # One tensor given twice would be taken for one input.
    inputs = {"frame": frame, "previous": frame.clone()}
    export_graph(net.encoder, inputs, ["features"], folder / ENCODER_FILE)
    window = torch.zeros(2, config.frames, config.features)
    head = _ScoringHead(net.head, temperature)
    outputs = ["scores", "logits", *(["marks"] if config.boundaries else [])]
    export_graph(head, {"features": window}, outputs, folder / HEAD_FILE)


def export_graph(
    net: nn.Module,
    inputs: Mapping[str, Tensor | Mapping[str, Tensor]],
    outputs: Sequence[str],
    path: Path,
) -> None:
    """Export a network as ONNX, with a batch of any size.

    Args:
        net: Called with the values of ``inputs``; a group of tensors as a tuple.
        inputs: Examples by argument, with a batch of two: one would be taken for a constant. A
            group of tensors has a name for each.
        outputs: Names of the outputs.
        path: The file.
    """
    groups = [
        {name: value} if isinstance(value, Tensor) else dict(value)
        for name, value in inputs.items()
    ]
    arguments = tuple(
        value if isinstance(value, Tensor) else tuple(value.values()) for value in inputs.values()
    )
    batch = torch.export.Dim("batch", min=1)
    shapes = tuple(
        {0: batch} if isinstance(value, Tensor) else tuple({0: batch} for _ in value)
        for value in arguments
    )
    # torch's own exporter uses what torch deprecates, and says so; nothing there is ours to change.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net.eval(),
            arguments,
            dynamo=True,
            verbose=False,
            input_names=[name for group in groups for name in group],
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=_OPSET,
        )
    assert program is not None
    model = _without_traces(program.model_proto)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the exporter's notes: they hold paths of the machine that exported."""
    graph = model.graph
    for item in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    for whole in (graph, model):
        whole.ClearField("metadata_props")
        whole.ClearField("doc_string")
    return model


def _manifest(net: ActionNet, facts: BundleFacts) -> dict[str, Any]:
    encoder_macs, head_macs = count_macs(net.config)
    return {
        "schema": SCHEMA,
        "name": facts.name,
        "version": facts.version,
        "summary": facts.summary,
        "labels": [label_entry(label) for label in facts.labels],
        "input": asdict(facts.input),
        "features": net.config.features,
        "graphs": {"encoder": ENCODER_FILE, "head": HEAD_FILE},
        "normalisation": {
            "inside_graph": True,
            "frames": "(N, height, width, 3) uint8 RGB, the whole picture stretched, area averaged",
            "mean": FrameEncoder.mean,
            "deviation": FrameEncoder.deviation,
            "difference_deviation": FrameEncoder.difference_deviation,
        },
        "architecture": {"name": ARCHITECTURE, **net.config.to_dict()},
        "temperature": facts.temperature,
        "parameters": sum(weight.numel() for weight in net.parameters()),
        "macs_per_frame": encoder_macs,
        "macs_per_window": head_macs,
        "training": dict(facts.training),
        "metrics": [dict(metric) for metric in facts.metrics],
        "limits": list(facts.limits),
    }


def label_entry(label: Label) -> dict[str, Any]:
    """Write a class as the manifest names it."""
    entry: dict[str, Any] = {"name": label.name, "title": label.title}
    return {**entry, "background": True} if label.background else entry


def _seal(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the card and, last, the manifest with the hash of every file."""
    for entry in folder.iterdir():
        entry.chmod(0o644)
    (folder / CARD_FILE).write_text(render_card(manifest), encoding="utf-8")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name != MANIFEST)
    files = {
        name: {"sha256": sha256_of(folder / name), "bytes": (folder / name).stat().st_size}
        for name in names
    }
    text = json.dumps({**manifest, "files": files}, indent=2, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _replace(new: Path, path: Path) -> None:
    """Put a finished folder in place of another, by renames on one file system."""
    new.chmod(0o755)
    old = new.with_name(f"{new.name}.old")
    if path.exists():
        path.replace(old)
    new.replace(path)
    shutil.rmtree(old, ignore_errors=True)

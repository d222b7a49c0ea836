"""The model card of a bundle: ``bundle.json`` as a page for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def render_card(manifest: Mapping[str, Any]) -> str:
    """Write the card.

    Args:
        manifest: The fields of ``bundle.json``.

    Returns:
        Markdown.
    """
    sections = [
        f"# {manifest['name']} {manifest['version']}\n\n{manifest['summary']}",
        _classes(manifest["labels"]),
        _input(manifest),
        _metrics(manifest["metrics"]),
        _training(manifest["training"]),
        _bullets("Limits", manifest["limits"]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _classes(labels: list[Mapping[str, Any]]) -> str:
    lines = [
        f"- `{label['name']}`: {label['title']}"
        + (" (background)" if label.get("background") else "")
        for label in labels
    ]
    return "## Classes\n\n" + "\n".join(lines)


def _input(manifest: Mapping[str, Any]) -> str:
    shape = manifest["input"]
    per_window = manifest["macs_per_window"]
    whole = f", {per_window / 1e6:.1f} million per window." if per_window else "."
    return (
        "## Input and size\n\n"
        f"RGB, {shape['width']}x{shape['height']} pixels, the whole picture stretched to it; "
        f"{shape['fps']:g} frames/s; a window is {shape['frames']} frames "
        f"({shape['frames'] / shape['fps']:.2f} s) and starts every {shape['stride']} frames.\n\n"
        f"{manifest['parameters'] / 1e6:.2f} million parameters, "
        f"{manifest['macs_per_frame'] / 1e6:.0f} million multiply-accumulates per new frame"
        f"{whole}"
    )


def _metrics(metrics: list[Mapping[str, Any]]) -> str:
    if not metrics:
        return ""
    rows = [
        f"| {metric['data']}, {metric['part']} | {metric['name']} | {metric['value']:.1%} "
        f"of {metric['count']} | {metric['date']} | `{metric['command']}` |"
        for metric in metrics
    ]
    head = "## Measured\n\n| data | figure | value | date | command |\n|---|---|---|---|---|\n"
    return head + "\n".join(rows)


def _training(training: Mapping[str, Any]) -> str:
    if not training:
        return ""
    data = [
        f"- {item['name']}: {item['use']}. Terms: {item['terms']}"
        for item in training.get("data", ())
    ]
    facts = [
        f"- {key}: {training[key]}"
        for key in ("weights", "licence", "split", "date", "seed", "code", "command")
        if key in training
    ]
    return "## Training\n\n" + "\n".join([*data, *facts])


def _bullets(title: str, items: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {item}" for item in items) if items else ""

"""How good the architecture is by published protocols: leave one out, and folds by source.

    python -m benchmarks.protocols [weizmann|interactions|fights …] [--data DIR] [--json FILE]

Clips are judged by the mean over their windows. With the tables come Wilson intervals of 95 % and
the most frequent confusions. A fold takes two to four minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from training.catalogue import DataOptions
from training.config import HardwareConfig
from training.metrics.classification import wilson_interval
from training.progress import training_progress
from training.protocols import PROTOCOLS, Protocol, TestedClip, count_folds, run_fold

_KINDS = ("clips", "windows")


def run_protocol(protocol: Protocol, options: DataOptions, only: Sequence[int]) -> list[TestedClip]:
    """Train and test the folds of a protocol.

    Args:
        protocol: The protocol.
        options: Where data come from.
        only: Numbers of the folds; all of them if empty.

    Returns:
        All tested clips.
    """
    tested: list[TestedClip] = []
    for fold in only or range(count_folds(protocol, options)):
        with training_progress(False) as progress, tempfile.TemporaryDirectory() as folder:
            clips = run_fold(protocol, fold, options, Path(folder) / "run", progress)
        tested += clips
        for part, figures in summarise(protocol, clips).items():
            counts = [f"{figures[kind]['right']} of {figures[kind]['total']}" for kind in _KINDS]
            line = f"fold {fold}, {part}: {counts[0]} clips, {counts[1]} windows right"
            Console().print(line, highlight=False)
    return tested


def _answer(protocol: Protocol, clip: TestedClip) -> str:
    return protocol.labels[int(clip.scores.mean(axis=0).argmax())]


def summarise(protocol: Protocol, tested: Sequence[TestedClip]) -> dict[str, Any]:
    """Count right clips and windows.

    Args:
        protocol: Its protocol.
        tested: Tested clips.

    Returns:
        For each part: counts, shares, intervals, shares by fold, and the confusions.
    """
    parts: dict[str, Any] = {}
    for part in sorted({clip.part for clip in tested}):
        own = [clip for clip in tested if clip.part == part]
        answers = [_answer(protocol, clip) for clip in own]
        right = [answer == clip.truth for answer, clip in zip(answers, own, strict=True)]
        windows = np.concatenate(
            [clip.scores.argmax(axis=1) == protocol.labels.index(clip.truth) for clip in own]
        )
        wrong = Counter(
            f"{clip.truth} as {answer}"
            for answer, clip in zip(answers, own, strict=True)
            if answer != clip.truth
        )
        parts[part] = {
            "clips": _share(sum(right), len(right)),
            "windows": _share(int(windows.sum()), len(windows)),
            "folds": {
                fold: float(np.mean([r for r, c in zip(right, own, strict=True) if c.fold == fold]))
                for fold in sorted({clip.fold for clip in own})
            },
            "confusions": dict(wrong.most_common()),
            "wrong": [clip.key for r, clip in zip(right, own, strict=True) if not r],
        }
    return parts


def _share(right: int, total: int) -> dict[str, Any]:
    low, high = wilson_interval(right, total)
    return {
        "right": right,
        "total": total,
        "share": round(right / total, 4),
        "interval": [round(low, 4), round(high, 4)],
    }


def main() -> None:
    """Run the protocols that are named, all of them by default, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("protocols", nargs="*", metavar="PROTOCOL", help=", ".join(PROTOCOLS))
    parser.add_argument("--data", type=Path, help="folder that holds the datasets")
    parser.add_argument("--folds", type=int, nargs="*", default=(), help="only these, from 0")
    parser.add_argument("--threads", type=int, default=2, help="of torch; 1 if the machine is busy")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    if unknown := set(given.protocols) - set(PROTOCOLS):
        parser.error(f"no protocol {', '.join(sorted(unknown))}; there are {', '.join(PROTOCOLS)}")
    found: dict[str, Any] = {}
    for name in given.protocols or PROTOCOLS:
        hardware = HardwareConfig(threads=given.threads)
        protocol = PROTOCOLS[name]
        protocol = replace(protocol, config=replace(protocol.config, hardware=hardware))
        tested = run_protocol(protocol, DataOptions(root=given.data), given.folds)
        found[name] = summarise(protocol, tested)
        _show(name, found[name])
    if given.json is not None:
        date = datetime.now(UTC).date().isoformat()
        text = json.dumps({"date": date, "protocols": found}, indent=2)
        given.json.write_text(text + "\n", encoding="utf-8")


def _show(name: str, parts: dict[str, Any]) -> None:
    table = Table("set", "clips right", "interval", "windows right", "worst folds", title=name)
    for part, figures in parts.items():
        clips, windows = figures["clips"], figures["windows"]
        low, high = clips["interval"]
        worst = sorted(figures["folds"].items(), key=lambda item: item[1])[:2]
        table.add_row(
            part,
            f"{clips['share']:.1%} of {clips['total']}",
            f"{low:.1%} to {high:.1%}",
            f"{windows['share']:.1%} of {windows['total']}",
            ", ".join(f"{fold}: {share:.0%}" for fold, share in worst),
        )
    console = Console()
    console.print(table)
    for part, figures in parts.items():
        wrong = ", ".join(f"{pair} ({n})" for pair, n in figures["confusions"].items())
        console.print(f"{part}: {wrong or 'nothing wrong'}", highlight=False)


if __name__ == "__main__":
    main()

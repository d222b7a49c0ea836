"""Command line: `python -m training.figures --out DIR` draws video with exact annotations.

Without more it draws the demo clip; with `--labels` a test video, with `--count` a training set.
"""

import argparse
import shlex
import sys
from pathlib import Path

from contracts.types import Annotation
from training.figures.choreography import LABELS, Shot, annotations
from training.figures.clips import draw_stream, random_shot, render
from training.figures.plans import DEMO_FPS, DEMO_SIZE, demo_shots, random_plan
from training.figures.video import Coding, truth, write_json, write_video


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    size = (int(width), int(height))
    if size[0] < 64 or size[1] < 48 or size[0] % 2 or size[1] % 2:
        raise argparse.ArgumentTypeError("even width and height, at least 64x48")
    return size


def _labels(text: str) -> tuple[str, ...]:
    labels = tuple(text.split(","))
    for label in labels:
        if label not in LABELS:
            raise argparse.ArgumentTypeError(f"{label!r} is none of {', '.join(LABELS)}")
    return labels


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m training.figures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--name", default=None, help="file name without ending")
    parser.add_argument("--labels", type=_labels, help="actions and interactions, with commas")
    parser.add_argument("--count", type=int, help="clips per label of a training set")
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="duration of each action, or of a clip"
    )
    parser.add_argument("--seed", type=int, default=0, help="source of every random choice")
    parser.add_argument("--size", type=_size, default=None, help="WIDTHxHEIGHT in pixels")
    parser.add_argument("--fps", type=float, default=25.0, help="frames per second")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Draw what the command line asks for.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        Exit code, 0.
    """
    given = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(given)
    arguments.out.mkdir(parents=True, exist_ok=True)
    made_by = shlex.join(["python", "-m", "training.figures", *given])
    if arguments.count is not None:
        _write_set(arguments, made_by)
    elif arguments.labels is not None:
        coding = Coding(arguments.size or DEMO_SIZE, arguments.fps)
        shots = random_plan(arguments.labels, arguments.seconds, arguments.seed, coding.size)
        _write_stream(arguments.out / (arguments.name or "figures"), shots, coding, made_by)
    else:
        coding = Coding(arguments.size or DEMO_SIZE, DEMO_FPS)
        _write_stream(arguments.out / (arguments.name or "demo"), demo_shots(), coding, made_by)
    return 0


def _write_stream(base: Path, shots: tuple[Shot, ...], coding: Coding, made_by: str) -> None:
    video = base.with_name(base.name + ".mp4")
    count = write_video(video, draw_stream(shots, coding.size, coding.fps), coding)
    document = truth(video.name, count / coding.fps, coding, annotations(shots))
    write_json(base.with_name(base.name + ".json"), document, made_by)
    print(f"{video}: {count} frames, {video.stat().st_size / 1e6:.2f} MB")


def _write_set(arguments: argparse.Namespace, made_by: str) -> None:
    """One folder per label, clips in it; one JSON for all of them."""
    coding = Coding(arguments.size or (160, 120), arguments.fps, crf=20)
    clips = {}
    for label in arguments.labels or LABELS:
        (arguments.out / label).mkdir(exist_ok=True)
        for seed in range(arguments.seed, arguments.seed + arguments.count):
            name = f"{label}/{label}_{seed:05d}.mp4"
            shot = random_shot(label, seed, coding.size, arguments.seconds)
            frames = render(shot, coding.size, coding.fps)
            seconds = write_video(arguments.out / name, frames, coding) / coding.fps
            found: list[Annotation] = annotations((shot,))
            clips[name] = truth(name, seconds, coding, found) | {"label": label}
        print(f"{arguments.out / label}: {arguments.count} clips")
    write_json(arguments.out / "annotations.json", {"schema": 1, "database": clips}, made_by)


if __name__ == "__main__":
    sys.exit(main())

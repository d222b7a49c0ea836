"""``evaluate``: how good a model or a file of results is, as a table and as a page."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

import click
from rich.console import Console

from contracts.errors import ConfigError, MissingDependencyError
from contracts.settings import Settings
from inference.bundle import Bundle
from inference.worker import window_spec
from stack.commands.options import Resolve, model_option, with_settings
from stack.models import open_bundle, open_model
from stack.progress import show_progress
from training.catalogue import DATASETS, MEASURED_ON, PARTS, DataOptions
from training.datasets.reading import AUTO, FORMATS, read_dataset
from training.evaluate import Evaluation, measure
from training.evaluate_dataset import choose_videos, evaluate_dataset
from training.evaluate_results import RESULT_RULES, judge_results
from training.reports import classification
from training.reports.document import Origin, make_document, write_report
from training.reports.remarks import background_notes, label_notes
from training.reports.terminal import print_document
from training.watching import Watcher

_REPORTS = Path("runs") / "evaluations"
_PATH = click.Path(path_type=Path)


class _Flags(TypedDict):
    part: str | None
    data: Path | None
    truth: Path | None
    form: str
    videos: Path | None
    predictions: Path | None
    rules: str
    report: Path | None
    as_json: bool
    keep: bool
    quiet: bool


@dataclass(frozen=True, slots=True)
class _Judged:
    """What was judged, on what, with which figures."""

    subject: str
    data: str
    sections: list[dict[str, Any]]


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Everything but the model and the datasets' names."""
    options = (
        click.option("--part", type=click.Choice(PARTS), help="Default: test; results: all."),
        click.option(
            "--truth", type=_PATH, metavar="PATH", help="Annotations to judge on, of any format."
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice((AUTO, *FORMATS)),
            default=AUTO,
            metavar="NAME",
            help="Format of the truth; default: what is found.",
        ),
        click.option("--videos", type=_PATH, metavar="DIR", help="Folder of the truth's videos."),
        click.option(
            "--predictions",
            type=_PATH,
            metavar="FILE",
            help="Judge this file (JSON as ActivityNet's, or CSV) against the truth: no model.",
        ),
        click.option(
            "--rules",
            type=click.Choice(RESULT_RULES),
            default="activitynet",
            help="Whose figures stand first; merl adds those of one joined sequence.",
        ),
        click.option(
            "--report",
            type=_PATH,
            metavar="DIR",
            help=f"Folder for the page and its numbers; default: one below {_REPORTS}.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON."),
        click.option("--record", "keep", is_flag=True, help="Write the figures into the bundle."),
        click.option(
            "--data", type=_PATH, help="Folder that holds DATASETS; default: ../shared/data."
        ),
        click.option("--quiet", is_flag=True, help="No progress bar."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@with_settings
@click.argument("datasets", nargs=-1, type=click.Choice(tuple(DATASETS)), metavar="[DATASETS]...")
@model_option
@_options
def evaluate(
    resolve: Resolve, datasets: tuple[str, ...], model: str | None, **flags: Unpack[_Flags]
) -> None:
    """Measure a model, or judge a file of results; a page with all figures is written.

    \b
    evaluate weizmann fights                      the project's own data, by name
    evaluate --truth PATH [--videos DIR]          any annotated video
    evaluate --truth PATH --predictions FILE      anybody's results, without a model

    Trimmed clips are judged by their label; untrimmed video by the live events, with the
    thresholds that the settings name. DATASETS: weizmann, weizmann-h264, interactions, fights,
    figures, still, empty.
    """  # noqa: D301 (click reads the control character)
    started = datetime.now(UTC)
    settings = resolve(model__name=model)
    _check(datasets, flags)
    if flags["predictions"] is not None:
        judged = _judge_results(flags["predictions"], flags)
    elif flags["truth"] is not None:
        judged = _judge_videos(settings, flags)
    else:
        judged = _judge_own(settings, datasets, flags)
    command = shlex.join(["actionstream", *sys.argv[1:]])
    document = make_document(Origin(judged.subject, judged.data, command, started), judged.sections)
    if flags["as_json"]:
        click.echo(json.dumps(document, indent=2))
    else:
        print_document(document, Console())
    folder = flags["report"] or _default_folder(judged, started)
    click.echo(f"report: {write_report(document, folder)}", err=flags["as_json"])


def _check(datasets: tuple[str, ...], flags: _Flags) -> None:
    """Refuse what contradicts itself."""
    if flags["predictions"] is not None and flags["truth"] is None:
        raise ConfigError("--predictions needs --truth: the annotations to judge against.")
    if flags["truth"] is not None and datasets:
        raise ConfigError("Name DATASETS or --truth, not both.")
    if flags["truth"] is not None and flags["keep"]:
        raise ConfigError("--record writes figures of DATASETS, not of --truth.")


def _judge_results(results: Path, flags: _Flags) -> _Judged:
    assert flags["truth"] is not None
    dataset = read_dataset(flags["form"], flags["truth"], flags["videos"])
    section = judge_results(dataset, results, flags["rules"], flags["part"])
    return _Judged(results.name, _data_name(flags["truth"], flags["part"]), [section])


def _judge_videos(settings: Settings, flags: _Flags) -> _Judged:
    assert flags["truth"] is not None
    part = flags["part"] or "test"
    dataset = read_dataset(flags["form"], flags["truth"], flags["videos"])
    count = len(choose_videos(dataset, part))
    runtime = open_model(settings.model)
    watcher = Watcher(runtime, window_spec(runtime.bundle, settings), settings.events)
    done = 0
    with show_progress(dataset.name, flags["quiet"] or flags["as_json"]) as meter:
        meter.expect(count)

        def on_video(name: str) -> None:
            nonlocal done
            meter.rename(name)
            meter.reach(done)
            done += 1

        sections = evaluate_dataset(watcher, dataset, part, on_video)
    return _Judged(runtime.bundle.model_id, _data_name(flags["truth"], part), sections)


def _judge_own(settings: Settings, datasets: tuple[str, ...], flags: _Flags) -> _Judged:
    bundle = open_bundle(settings.model)
    names = datasets or MEASURED_ON.get(bundle.name, ())
    if not names:
        raise ConfigError(
            f"Name what {bundle.model_id} is to be measured on.",
            f"There are {', '.join(DATASETS)}; or --truth PATH for data of your own.",
        )
    part = flags["part"] or "test"
    quiet = flags["quiet"] or flags["as_json"]
    found = measure(bundle, names, part, DataOptions(root=flags["data"]), quiet=quiet)
    sections = [section for evaluation in found for section in _sections(bundle, evaluation)]
    if flags["keep"]:
        _record(bundle, found)
    return _Judged(bundle.model_id, f"{', '.join(names)} ({part})", sections)


def _sections(bundle: Bundle, evaluation: Evaluation) -> list[dict[str, Any]]:
    clips, windows = evaluation.clip_answers, evaluation.window_answers
    truth = {bundle.label_names[index] for index in clips.truth.tolist()}
    notes = label_notes(evaluation.unknown, "clips") + background_notes(bundle, truth)
    if evaluation.short:
        notes.append(f"{evaluation.short} clips are shorter than a window and were left out.")
    title = f"{evaluation.dataset} {evaluation.part}"
    return [
        classification.make_section(f"{title}: clips", clips, "clips", windows, notes),
        classification.make_section(f"{title}: windows", windows, "windows"),
    ]


def _record(bundle: Bundle, found: list[Evaluation]) -> None:
    try:
        # Writing a bundle needs torch, which measuring one does not.
        from training.building import record  # noqa: PLC0415  # pylint: disable=import-outside-toplevel
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            f"--record needs {exc.name}, which is not installed.",
            "pip install 'actionstream[train]'",
        ) from exc
    record(bundle, found)
    click.echo(f"recorded in {bundle.path}", err=True)


def _data_name(truth: Path, part: str | None) -> str:
    return f"{truth.name} ({part})" if part else truth.name


def _default_folder(judged: _Judged, started: datetime) -> Path:
    name = re.sub(r"[^\w.-]+", "-", judged.subject.partition("@")[0])
    return _REPORTS / f"{name}-{started:%Y%m%d-%H%M%S}"

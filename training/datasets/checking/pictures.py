"""Judge what was measured of each video: broken, cut short, dark, blurred, frozen, framed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from training.datasets.checking.findings import Case, Checked, Finding, Severity, count
from training.datasets.checking.measure import Measures

# Below and above, little of a scene is left; ordinary clips lie between 0.2 and 0.7.
_DARK: Final = 0.12
_BRIGHT: Final = 0.88
# At 240 lines a Gaussian of sigma 2 brings nearly every sharp clip below, and nearly none is below
# by itself: docs/data-quality.md has the measurement.
_BLURRED: Final = 0.01
# Cameras that drop every ninth frame (30 made of 27 a second) repeat 11 %.
_FROZEN: Final = 0.3
_BARS: Final = 0.05
_SHORT_S: Final = 0.5
# Containers round, and leave the last frame's length out.
_REACHED: Final = 0.9
_REACHED_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Rule:
    """One way in which a readable video can be unfit.

    Attributes:
        kind: Identifier of the finding.
        summary: Sentence with a place for the number of videos.
        advice: What to do.
        badness: How bad one video is; None if it is not.
        detail: What to say of it.
    """

    kind: str
    summary: str
    advice: str
    badness: Callable[[Measures], float | None]
    detail: Callable[[Measures], str]


def _when(value: float, bad: bool, worst_low: bool = False) -> float | None:
    """Return how bad a value is, the greater the worse, or None if it is not."""
    return (-value if worst_low else value) if bad else None


def _truncated(measures: Measures) -> float | None:
    duration_s = measures.info.duration_s if measures.info else None
    if duration_s is None:
        return None
    missing_s = duration_s - measures.reached_s
    cut = measures.reached_s < _REACHED * duration_s and missing_s > _REACHED_S
    return _when(missing_s / duration_s, cut or bool(measures.problem))


def _end_detail(measures: Measures) -> str:
    duration_s = measures.info.duration_s if measures.info else None
    said = f"ends at {measures.reached_s:.1f} s of {duration_s or 0:.1f} s"
    return f"{said}: {measures.problem}" if measures.problem else said


_RULES: Final = (
    _Rule(
        "truncated",
        "{} before the end that the file announces.",
        "Copy or download them again; annotations after their end are lost.",
        _truncated,
        _end_detail,
    ),
    _Rule(
        "damaged",
        "{} damaged: parts could not be decoded.",
        "Copy or download them again. Damaged pictures are left out, so movement jumps there.",
        lambda m: _when(m.damaged, m.damaged > 0),
        lambda m: f"{m.damaged} damaged of about {m.frames + m.damaged} packets and frames",
    ),
    _Rule(
        "short",
        "{} too short for an action.",
        f"A clip below {_SHORT_S:g} s holds less than a window; leave it out.",
        lambda m: _when(m.reached_s, m.reached_s < _SHORT_S, worst_low=True),
        lambda m: f"{m.reached_s:.2f} s",
    ),
    _Rule(
        "dark",
        "{} very dark.",
        "Look whether the action can be seen; if not, leave them out or label them `none`.",
        lambda m: _when(m.brightness, m.brightness < _DARK, worst_low=True),
        lambda m: f"mean brightness {m.brightness:.2f}",
    ),
    _Rule(
        "overexposed",
        "{} overexposed.",
        "Look whether the action can be seen; if not, leave them out.",
        lambda m: _when(m.brightness, m.brightness > _BRIGHT),
        lambda m: f"mean brightness {m.brightness:.2f}",
    ),
    _Rule(
        "blurred",
        "{} blurred.",
        "Look whether the action can be seen. If the camera will be as blurred, keep them.",
        lambda m: _when(m.sharpness, m.sharpness < _BLURRED, worst_low=True),
        lambda m: f"sharpness {m.sharpness:.4f}",
    ),
    _Rule(
        "frozen",
        "{} frozen for a good part: frames repeat the one before.",
        "A camera that hangs, a frame rate that was raised, or a still picture: the model learns "
        "that the action stands still. Cut it out, or sample at the true rate.",
        lambda m: _when(m.repeated, m.repeated > _FROZEN),
        lambda m: f"{m.repeated:.0%} of the frames looked at",
    ),
    _Rule(
        "black-bars",
        "{} framed by black bars.",
        "Crop them: the picture is stretched to the model's size, bars and all, and bars tell the "
        "model where a clip comes from.",
        lambda m: _when(m.bars, m.bars > _BARS),
        lambda m: f"{m.bars:.0%} of the picture",
    ),
)
_VERBS: Final = {"truncated": ("ends", "end")}


def judge_pictures(items: Sequence[Checked]) -> Iterator[Finding]:
    """Find videos that are unreadable, incomplete or hard to see.

    Args:
        items: Videos with their measures.

    Yields:
        One finding per kind of trouble that occurs.
    """
    measured = [(item.video.name, item.measures) for item in items if item.measures is not None]
    yield from _missing(items)
    broken = [Case((name,), measures.problem) for name, measures in measured if not measures.frames]
    if broken:
        yield Finding(
            "broken",
            Severity.ERROR,
            f"{count(len(broken), 'video')} cannot be read.",
            "Copy or download them again, or take them out of the annotations.",
            tuple(broken),
        )
    readable = [(name, measures) for name, measures in measured if measures.frames]
    for rule in _RULES:
        yield from _apply(rule, readable)
    yield from _mixture(readable)


def _missing(items: Sequence[Checked]) -> Iterator[Finding]:
    missing = [Case((item.video.name,), "no file") for item in items if item.measures is None]
    if missing:
        everything = len(missing) == len(items)
        yield Finding(
            "missing",
            Severity.NOTE if everything else Severity.WARNING,
            "No video is at hand: only the annotations were checked."
            if everything
            else f"{len(missing)} of {len(items)} videos are not at hand.",
            "Name the folder with the videos (--videos).",
            tuple(missing),
        )


def _apply(rule: _Rule, readable: Sequence[tuple[str, Measures]]) -> Iterator[Finding]:
    cases = []
    for name, measures in readable:
        if (badness := rule.badness(measures)) is not None:
            cases.append((badness, Case((name,), rule.detail(measures), {rule.kind: abs(badness)})))
    if cases:
        cases.sort(key=lambda pair: -pair[0])
        singular, plural = _VERBS.get(rule.kind, ("is", "are"))
        subject = f"{count(len(cases), 'video')} {singular if len(cases) == 1 else plural}"
        yield Finding(
            rule.kind,
            Severity.WARNING,
            rule.summary.format(subject),
            rule.advice,
            tuple(case for _, case in cases),
        )


def _mixture(readable: Sequence[tuple[str, Measures]]) -> Iterator[Finding]:
    """Name the frame rates and sizes, if there are several."""
    infos = [measures.info for _, measures in readable if measures.info is not None]
    rates = Counter(f"{info.fps:.4g} fps" if info.fps else "unknown fps" for info in infos)
    sizes = Counter(info.resolution for info in infos)
    for kind, what, found in (("fps-mix", "frame rates", rates), ("size-mix", "sizes", sizes)):
        if len(found) > 1:
            yield Finding(
                kind,
                Severity.NOTE,
                f"The videos have {len(found)} {what}.",
                "Frames are sampled by time and stretched to one size, so this is no error; but "
                "see that classes and parts do not differ in it.",
                tuple(
                    Case((), name, {"videos": float(number)})
                    for name, number in found.most_common()
                ),
            )

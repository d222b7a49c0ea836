"""The ten Weizmann actions by label."""

from collections.abc import Callable

from training.figures.rhythm import Style
from training.figures.skeleton import FloatArray
from training.figures.standing import bend, jack, pjump, wave1, wave2
from training.figures.travelling import jump, run, side, skip, walk

Motion = Callable[[FloatArray, Style], FloatArray]

MOTIONS: dict[str, Motion] = {
    "bend": bend,
    "jack": jack,
    "jump": jump,
    "pjump": pjump,
    "run": run,
    "side": side,
    "skip": skip,
    "walk": walk,
    "wave1": wave1,
    "wave2": wave2,
}

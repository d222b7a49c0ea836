"""Who is in the picture: build, hair and clothes."""

from dataclasses import dataclass

import numpy as np

from training.figures.skeleton import Build

Colour = tuple[float, float, float]

_SKIN: tuple[Colour, ...] = (
    (241, 206, 178), (226, 182, 150), (205, 156, 120), (168, 120, 86), (121, 82, 58), (84, 57, 42),
)  # fmt: skip
_HAIR: tuple[Colour, ...] = (
    (28, 24, 22), (58, 40, 28), (98, 66, 40), (160, 118, 66), (205, 176, 120), (132, 128, 124),
)  # fmt: skip
_TROUSERS: tuple[Colour, ...] = (
    (44, 58, 92), (70, 92, 132), (36, 38, 44), (98, 90, 76), (150, 138, 112), (66, 74, 66),
    (205, 203, 198), (88, 60, 52),
)  # fmt: skip
_SHOES: tuple[Colour, ...] = ((30, 28, 28), (225, 225, 222), (92, 62, 42), (150, 40, 40))


@dataclass(frozen=True, slots=True)
class Clothes:
    """Colours are RGB, 0 to 255.

    Attributes:
        top: Shirt or jacket.
        pattern: Second colour of the top.
        print: `plain`, `stripes`, `jacket` (open, the second colour beneath) or `block`.
        trousers: Trousers or skirt.
        sleeves: 0 bare arms, 1 short, 2 long.
        legs: 0 shorts, 1 long, 2 skirt.
        loose: Factor on the width of the clothes.
        shoes: Shoes.
    """

    top: Colour
    pattern: Colour
    print: str
    trousers: Colour
    sleeves: int
    legs: int
    loose: float
    shoes: Colour


@dataclass(frozen=True, slots=True)
class Figure:
    """One person.

    Attributes:
        build: Proportions.
        skin: Skin colour.
        hair: Hair colour.
        haircut: `bald`, `short`, `long`, `bun` or `cap`.
        clothes: What they wear.
    """

    build: Build
    skin: Colour
    hair: Colour
    haircut: str
    clothes: Clothes


def random_figure(rng: np.random.Generator) -> Figure:
    """Draw a person.

    Args:
        rng: Source of every choice.

    Returns:
        A person of plausible build, in everyday clothes.
    """
    build = Build(
        height=rng.uniform(0.9, 1.08),
        girth=rng.uniform(0.82, 1.28),
        legs=rng.uniform(0.95, 1.05),
        shoulders=rng.uniform(0.098, 0.125),
        hips=rng.uniform(0.05, 0.062),
    )
    return Figure(
        build=build,
        skin=_tinted(_SKIN[rng.integers(len(_SKIN))], rng, 8),
        hair=_tinted(_HAIR[rng.integers(len(_HAIR))], rng, 10),
        haircut=str(
            rng.choice(["short", "long", "bun", "cap", "bald"], p=[0.5, 0.25, 0.1, 0.1, 0.05])
        ),
        clothes=_random_clothes(rng),
    )


def _random_clothes(rng: np.random.Generator) -> Clothes:
    return Clothes(
        top=_cloth(rng),
        pattern=_cloth(rng),
        print=str(rng.choice(["plain", "stripes", "jacket", "block"], p=[0.5, 0.15, 0.2, 0.15])),
        trousers=_tinted(_TROUSERS[rng.integers(len(_TROUSERS))], rng, 16),
        sleeves=int(rng.choice([0, 1, 2], p=[0.08, 0.3, 0.62])),
        legs=int(rng.choice([0, 1, 2], p=[0.12, 0.8, 0.08])),
        loose=rng.uniform(0.95, 1.35),
        shoes=_tinted(_SHOES[rng.integers(len(_SHOES))], rng, 10),
    )


def _cloth(rng: np.random.Generator) -> Colour:
    """Any cloth colour: dark, light and grey ones are as common as bright ones."""
    value = rng.uniform(25, 235)
    if rng.uniform() < 0.4:
        return _tinted((value, value, value), rng, 12)
    hue = rng.uniform(0, 2 * np.pi)
    chroma = rng.uniform(20, 75)
    r, g, b = (value + chroma * np.cos(hue - k * 2 * np.pi / 3) for k in range(3))
    return _clip(r, g, b)


def _tinted(colour: Colour, rng: np.random.Generator, spread: float) -> Colour:
    r, g, b = np.array(colour) + rng.normal(0, spread) + rng.normal(0, spread / 2, 3)
    return _clip(r, g, b)


def _clip(r: float, g: float, b: float) -> Colour:
    return (
        float(np.clip(r, 8, 248)),
        float(np.clip(g, 8, 248)),
        float(np.clip(b, 8, 248)),
    )

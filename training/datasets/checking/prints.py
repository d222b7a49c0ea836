"""Which videos show the same footage, and which the same scene, by small grey pictures.

Three steps, each cheaper than comparing videos: equal bytes; 64-bit difference hashes compared in
all pairs by Hamming distance, at the same eight places of both videos; and for the few pairs that
pass, the pictures themselves.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.datasets.checking.measure import PROBES, THUMB_PX

Thumbs = NDArray[np.uint8]
Pairs = NDArray[np.intp]

MAX_BITS: Final = 10.0
"""Mean Hamming distance of 64-bit hashes up to which two videos may be one footage."""
MAX_DIFFERENCE: Final = 20.0
"""Grey levels by which one footage may differ in its worst spot after coding and scaling."""
MIN_SCENE: Final = 0.94
"""Correlation of two still backgrounds from which they are one scene."""

# Pairs are compared in blocks of rows, so that memory stays at some tens of megabytes.
_BLOCK: Final = 256
# Mean and spread of both pictures are made equal: copies get brighter or lose contrast.
_MIN_SPREAD: Final = 4.0
# The spot that differs most may be noise; the fifth of 1024 is not.
_WORST_SPOT: Final = -5
# Places at which one footage may differ: a frame lost or damaged, a cut met from both sides.
_STRAY_PLACES: Final = 2
_READ_BYTES: Final = 1 << 20


def equal_files(paths: Sequence[Path]) -> list[tuple[int, ...]]:
    """Find files with the same bytes.

    Only files of equal size are read.

    Args:
        paths: Files that exist.

    Returns:
        Groups of two and more indices, ascending.
    """
    sizes: dict[int, list[int]] = defaultdict(list)
    for index, path in enumerate(paths):
        sizes[path.stat().st_size].append(index)
    contents: dict[str, list[int]] = defaultdict(list)
    for indices in sizes.values():
        for index in indices if len(indices) > 1 else ():
            contents[_digest(paths[index])].append(index)
    return sorted(tuple(indices) for indices in contents.values() if len(indices) > 1)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def difference_hashes(thumbs: Thumbs) -> NDArray[np.uint64]:
    """Hash pictures by which of two neighbours is lighter (dHash, Krawetz 2013).

    Args:
        thumbs: (N, 32, 32) uint8 luma.

    Returns:
        (N,) uint64: 8 rows of 8 comparisons.
    """
    if len(thumbs) == 0:
        return np.empty(0, np.uint64)
    small = np.stack([cv2.resize(t, (9, 8), interpolation=cv2.INTER_AREA) for t in thumbs])
    bits = (small[:, :, 1:] > small[:, :, :-1]).reshape(len(thumbs), 64)
    return np.packbits(bits, axis=1).view(np.uint64).reshape(-1)


def same_footage(thumbs: Thumbs) -> list[tuple[int, int, float]]:
    """Find videos that show the same from beginning to end: recoded, scaled, lightened.

    A part cut out of another video is not found: the places do not fall together.

    Args:
        thumbs: (V, 8, 3, 32, 32) uint8 luma, as `measure.Measures` has them.

    Returns:
        Pairs (i, j, difference in grey levels) with i < j.
    """
    count = len(thumbs)
    nearest = thumbs[:, :, 1].reshape(-1, THUMB_PX, THUMB_PX)
    hashes = difference_hashes(nearest).reshape(count, PROBES)
    found = []
    for i, j in _near(hashes):
        difference = _difference(thumbs[i], thumbs[j])
        if difference <= MAX_DIFFERENCE:
            found.append((i, j, difference))
    return found


def _near(hashes: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of rows whose hashes differ in few bits, all pairs at once."""
    count = len(hashes)
    for start in range(0, count, _BLOCK):
        block = hashes[start : start + _BLOCK]
        distance = np.zeros((len(block), count), np.uint16)
        for place in range(PROBES):
            distance += np.bitwise_count(block[:, None, place] ^ hashes[None, :, place])
        rows, columns = np.nonzero(distance <= MAX_BITS * PROBES)
        later = columns > rows + start
        yield from zip((rows[later] + start).tolist(), columns[later].tolist(), strict=True)


def _difference(first: Thumbs, second: Thumbs) -> float:
    """Grey levels between two videos in the worst spot, leaving two places out of eight aside.

    Of each place the neighbours that fit best are compared: at another frame rate the nearest
    frames lie apart. Infinite as soon as it is more than `MAX_DIFFERENCE`.
    """
    found: list[float] = []
    for one, other in zip(first, second, strict=True):
        gap = np.abs(_levelled(one)[:, None] - _levelled(other)[None]).reshape(9, -1)
        worst = np.partition(gap, _WORST_SPOT, axis=-1)[:, _WORST_SPOT].min()
        spread = max(_MIN_SPREAD, float(one[1].std()), float(other[1].std()))
        found.append(float(worst) * spread)
        if sum(value > MAX_DIFFERENCE for value in found) > _STRAY_PLACES:
            return math.inf
    return sorted(found)[-1 - _STRAY_PLACES]


def _levelled(thumbs: Thumbs) -> NDArray[np.float32]:
    values = thumbs.astype(np.float32)
    mean = values.mean(axis=(-2, -1), keepdims=True)
    spread = values.std(axis=(-2, -1), keepdims=True)
    levelled: NDArray[np.float32] = (values - mean) / np.maximum(spread, _MIN_SPREAD)
    return levelled


def same_scene(thumbs: Thumbs) -> Iterator[tuple[int, int]]:
    """Find videos of one place, seen by one camera that stands still, whoever acts in it.

    The background is the median over the places; a picture without contrast is no scene.

    Args:
        thumbs: (V, 8, 3, 32, 32) uint8 luma, as `measure.Measures` has them.

    Yields:
        Pairs (i, j) with i < j; of one camera's clips every pair, so do not keep them.
    """
    if len(thumbs) == 0:
        return
    grounds = _levelled(np.median(thumbs[:, :, 1], axis=1).astype(np.uint8)).reshape(
        len(thumbs), -1
    )
    lengths = np.linalg.norm(grounds, axis=1)
    # Where the spread was below the least one, the length shows it.
    plain = lengths < 0.99 * THUMB_PX
    grounds /= np.maximum(lengths, 1e-6)[:, None]
    grounds[plain] = 0.0
    for start in range(0, len(grounds), _BLOCK):
        rows, columns = np.nonzero(grounds[start : start + _BLOCK] @ grounds.T >= MIN_SCENE)
        later = columns > rows + start
        yield from zip((rows[later] + start).tolist(), columns[later].tolist(), strict=True)


def clusters(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Join pairs that share a member.

    Args:
        pairs: Pairs of indices.

    Returns:
        Groups of two and more indices, each ascending, by first index.
    """
    parent: dict[int, int] = {}

    def root(item: int) -> int:
        parent.setdefault(item, item)
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for first, second in pairs:
        parent[root(first)] = root(second)
    groups: dict[int, list[int]] = defaultdict(list)
    for item in sorted(parent):
        groups[root(item)].append(item)
    return sorted(tuple(group) for group in groups.values())

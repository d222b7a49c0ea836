"""THUMOS14's temporal annotations: one text file per class, times in seconds.

``annotations_val/<Class>_val.txt`` and ``annotations_test/<Class>_test.txt`` hold lines of video,
start and end (Jiang et al., THUMOS challenge 2014). Three things to know:

- The parts keep their official names. The challenge's training set is UCF101; everybody trains the
  detectors on `validation`.
- A dive from a cliff stands in both ``CliffDiving`` and ``Diving`` with the same times, 143 times
  in the one part and 217 times in the other, and the official evaluation counts it for both; so it
  has two annotations here.
- ``Ambiguous`` spans are neither right nor wrong: they become `ignored`. ``video_test_0001292`` has
  nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from contracts.types import Annotation
from training.datasets.dataset import Dataset, Video
from training.datasets.files import Place, VideoFiles, collect, make_span, read_lines, read_table

AMBIGUOUS = "Ambiguous"
_PARTS = {"val": "validation", "test": "test"}


def recognise(path: Path) -> bool:
    """Say whether a folder holds these annotations."""
    return any((path / f"annotations_{short}").is_dir() for short in _PARTS)


def read(path: Path, videos: Path | None = None) -> Dataset:
    """Read THUMOS14's annotations.

    Args:
        path: Folder with ``annotations_val`` or ``annotations_test`` or both, and, where frame rate
            and length are wanted, ``val_video_info.csv`` and ``test_video_info.csv`` with columns
            video, fps and count (frames).
        videos: Folder with the videos.

    Returns:
        The dataset; the group is the video itself. Lengths are those of the info files, beyond
        which four of the official segments reach.

    Raises:
        ConfigError: Files are missing or damaged; says where.
    """
    files = VideoFiles(videos)
    found: list[Video] = []
    for short, part in _PARTS.items():
        if (path / f"annotations_{short}").is_dir():
            found += _read_part(path, short, part, files)
    return collect("thumos14", found, path)


def _read_part(path: Path, short: str, part: str, files: VideoFiles) -> list[Video]:
    spans: defaultdict[str, list[Annotation]] = defaultdict(list)
    for file in sorted((path / f"annotations_{short}").glob(f"*_{short}.txt")):
        label = file.stem.removesuffix(f"_{short}")
        for place, line in read_lines(file):
            cells = line.split()
            if len(cells) != 3:
                raise place.error(f"expected video, start and end, found {line!r}.")
            spans[cells[0]].append(make_span(place, label, cells[1], cells[2]))
    info = _read_info(path / f"{short}_video_info.csv")
    return [
        Video(
            name=name,
            path=files.find(name),
            duration_s=info.get(name, (None, None))[1],
            fps=info.get(name, (None, None))[0],
            part=part,
            group=name,
            annotations=_by_start(span for span in spans[name] if span.label != AMBIGUOUS),
            ignored=_by_start(span for span in spans[name] if span.label == AMBIGUOUS),
        )
        for name in sorted(spans.keys() | info.keys())
    ]


def _by_start(spans: Iterable[Annotation]) -> tuple[Annotation, ...]:
    return tuple(sorted(spans, key=lambda span: (span.start_s, span.end_s)))


def _read_info(path: Path) -> dict[str, tuple[float, float]]:
    """Read frames per second and seconds of every video; nothing where there is no such file."""
    if not path.is_file():
        return {}
    info = {}
    for place, row in read_table(path, ("video", "fps", "count")):
        info[row["video"]] = _rate_and_length(place, row["fps"], row["count"])
    return info


def _rate_and_length(place: Place, fps: str, count: str) -> tuple[float, float]:
    try:
        rate, frames = float(fps), float(count)
        if not (1 <= rate <= 1000 and 0 <= frames < 1e9):
            raise ValueError
    except ValueError as exc:
        raise place.error(f"fps {fps!r} and count {count!r} are no rate and number.") from exc
    return rate, frames / rate

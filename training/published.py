"""Published weights that `actionstream models pull` fetches: where they lie, how they are known.

Needs no torch, so that the command line can name them before anything is loaded.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import DownloadError
from training.download import Progress, RemoteFile, fetch, git_blob_id

GITHUB = "https://raw.githubusercontent.com"
_WEIGHTS = "Atze00/MoViNet-pytorch/c2d1edf48fc6c5259707f9d833f22171b4f63493/weights"
_BLOBS = {
    ("a0", True): "1b467adcbf00040713526ec927b3fbfd5aaac487",
    ("a1", True): "85acc3e843b293c3a26c7baabd0af711073c1fb7",
    ("a2", True): "fdf1c2e57d36d86607b9b29063ab798eabc1bb83",
    ("a0", False): "8c3bf9376a49d9db72709d5fb60bd0a635069044",
    ("a1", False): "b0cd3abd2ea411382e8e999c7d2cdf2992728d2a",
    ("a2", False): "999f187b11ee6d477c5f3c8141119d8183c0e072",
}
_LABELS = "deepmind/kinetics-i3d/master/data/label_map_600.txt"
_LABELS_DIGEST = "5d9a560f98fcfed08f6129dd498f97e043edf729efb3c02dd96b482d2970f9c0"


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A MoViNet trained on Kinetics-600 whose weights others publish.

    Attributes:
        size: ``a0``, ``a1`` or ``a2``.
        stream: Frame by frame with a state; else whole clips.
        weights: A PyTorch state dict.
        labels: Names of the classes, one a line, in the order of the scores.
    """

    size: str
    stream: bool
    weights: RemoteFile
    labels: RemoteFile

    @property
    def name(self) -> str:
        """Name of the bundle."""
        return f"movinet-{self.size}-{'stream' if self.stream else 'base'}-k600"


def published_models(mirror: str = GITHUB) -> dict[str, PublishedModel]:
    """What can be pulled, by name.

    Args:
        mirror: Replaces GitHub's address; the paths below it stay.
    """
    base = mirror.rstrip("/")
    labels = RemoteFile(f"{base}/{_LABELS}", _LABELS_DIGEST, digest_of_lines)
    models = []
    for (size, stream), blob in _BLOBS.items():
        kind = "_stream" if stream else ""
        url = f"{base}/{_WEIGHTS}/model{size.upper()}{kind}_statedict_v3"
        models.append(PublishedModel(size, stream, RemoteFile(url, blob, git_blob_id), labels))
    return {model.name: model for model in models}


def fetch_model(
    model: PublishedModel, folder: Path, progress: Progress = lambda _done, _total: None
) -> tuple[Path, Path]:
    """Fetch the files of a model, or find them there.

    Args:
        model: Which.
        folder: For the files as they are published.
        progress: Is told how far the weights are.

    Returns:
        The weights and the labels.

    Raises:
        DownloadError: A file cannot be fetched, or is not the one it should be; the message says
            where to put files that were fetched by other means.
    """
    weights, labels = folder / model.weights.name, folder / model.labels.name
    try:
        fetch(model.weights, weights, progress)
        fetch(model.labels, labels)
    except DownloadError as exc:
        files = ((model.weights, weights), (model.labels, labels))
        by_hand = ", and ".join(f"{file.url} to {target}" for file, target in files)
        hint = exc.hint or f"Or fetch by other means {by_hand}; then call this again."
        raise DownloadError(exc.message, hint) from exc
    return weights, labels


def digest_of_lines(path: Path) -> str:
    """SHA-256 of a file's lines joined by line feeds: how they end says nothing and may change.

    Args:
        path: A text file.

    Returns:
        Hexadecimal digits.
    """
    return hashlib.sha256(b"\n".join(path.read_bytes().splitlines())).hexdigest()

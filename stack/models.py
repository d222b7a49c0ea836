"""Which model runs, and where models lie."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

from contracts.errors import BundleError
from contracts.settings import ModelSettings
from inference.bundle import MANIFEST, SHIPPED, Bundle, find_bundle
from inference.loading import load_model
from inference.pool import Models
from inference.runtime import ActionModel
from training.download import user_cache
from training.published import published_models

_LOG = logging.getLogger(__name__)


def pulled_dir() -> Path:
    """Folder of the bundles that `actionstream models pull` made."""
    return user_cache() / "models"


def open_bundle(settings: ModelSettings) -> Bundle:
    """Find and verify the model that the settings name: shipped or pulled, or in their directory.

    Raises:
        BundleError: There is none of that name, or it is damaged.
    """
    name, folders = settings.name, _folders(settings)
    there = [folder / name / MANIFEST for folder in folders]
    if name in published_models() and not any(manifest.is_file() for manifest in there):
        raise BundleError(
            f"The model {name} is not in {' or '.join(map(str, folders))}.",
            f"Fetch it: actionstream models pull {name}",
        )
    return find_bundle(name, *folders)


def open_model(settings: ModelSettings) -> ActionModel:
    """Load the model that the settings name.

    Raises:
        BundleError: There is none of that name, it is damaged, or it cannot be run.
    """
    return load_model(open_bundle(settings), settings.threads)


def choice_of_models(settings: ModelSettings) -> Models:
    """What a stream may choose: the bundles in the folders that the settings name.

    Args:
        settings: Of the default model; threads hold for all.
    """

    def open_named(name: str) -> ActionModel:
        return open_model(settings.model_copy(update={"name": name}))

    return Models(settings.name, open_named, lambda: _whole_bundles(_folders(settings)))


def _folders(settings: ModelSettings) -> list[Path]:
    if settings.directory is not None:
        return [settings.directory]
    return [SHIPPED, pulled_dir()]


def _whole_bundles(folders: list[Path]) -> list[Bundle]:
    """Every bundle that could be opened; where two have a name, the first counts, as in opening."""
    found: dict[str, Bundle] = {}
    for manifest in (path for folder in folders for path in sorted(folder.glob(f"*/{MANIFEST}"))):
        try:
            bundle = _verified(manifest.parent, manifest.stat().st_mtime_ns)
        except (BundleError, OSError) as exc:
            _LOG.warning("not among the models: %s", exc)
        else:
            found.setdefault(manifest.parent.name, bundle)
    return list(found.values())


@lru_cache(maxsize=64)
def _verified(folder: Path, _changed_ns: int) -> Bundle:
    """Hashing all files takes a while; once for each version of a bundle is enough."""
    return Bundle.load(folder)

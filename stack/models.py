"""Which model runs, and where models lie."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import BundleError
from contracts.settings import ModelSettings
from inference.bundle import MANIFEST, SHIPPED, Bundle, find_bundle
from inference.loading import load_model
from inference.runtime import ActionModel
from training.download import user_cache
from training.published import published_models


def pulled_dir() -> Path:
    """Folder of the bundles that `actionstream models pull` made."""
    return user_cache() / "models"


def open_bundle(settings: ModelSettings) -> Bundle:
    """Find and verify the model that the settings name: shipped or pulled, or in their directory.

    Raises:
        BundleError: There is none of that name, or it is damaged.
    """
    name, folders = settings.name, [settings.directory or SHIPPED]
    if settings.directory is None:
        folders.append(pulled_dir())
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

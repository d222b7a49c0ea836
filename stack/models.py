"""Which model runs."""

from __future__ import annotations

from pathlib import Path

from contracts.settings import ModelSettings
from inference.bundle import Bundle, find_bundle
from inference.runtime import Runtime

SHIPPED = Path(__file__).resolve().parents[1] / "models"
"""Beside the packages, in a checkout as in an installed wheel."""


def open_bundle(settings: ModelSettings) -> Bundle:
    """Find and verify the model that the settings name.

    Raises:
        BundleError: There is none of that name, or it is damaged.
    """
    return find_bundle(settings.name, settings.directory or SHIPPED)


def open_model(settings: ModelSettings) -> Runtime:
    """Load the model that the settings name.

    Raises:
        BundleError: There is none of that name, it is damaged, or it cannot be run.
    """
    return Runtime(open_bundle(settings), settings.threads)

"""Where a run is reported beside its own folder: nowhere, or MLflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from contracts.errors import ConfigError
from inference.bundle import Bundle
from training.config import TrackingConfig


class Tracker(Protocol):
    """What the trainer tells of a run."""

    run_id: str
    """Names the run where it is tracked; empty where it is not."""

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Tell once what the run decides: nested keys and values."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Tell figures of an update; cheap, since they wait for `flush`."""

    def flush(self) -> None:
        """Send what waits."""

    def finish(self, files: Iterable[Path], *, complete: bool) -> None:
        """Send the rest and the files of the run.

        Args:
            files: What to keep with the run.
            complete: False if the run was interrupted and may go on.
        """

    def register(self, bundle: Bundle) -> str | None:
        """Keep the run's bundle with it, and make it a version of the configured model.

        Returns:
            Number of the version; None where nothing is tracked or no model is configured.
        """


class NoTracker:
    """Tells nobody."""

    run_id = ""

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Do nothing."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""

    def finish(self, files: Iterable[Path], *, complete: bool) -> None:
        """Do nothing."""

    def register(self, bundle: Bundle) -> str | None:
        """Do nothing."""


def open_tracker(config: TrackingConfig, folder: Path, run_id: str = "") -> Tracker:
    """Begin to report a run, or go on.

    Args:
        config: Where to.
        folder: The run's folder.
        run_id: A run that goes on; empty for a new one.

    Returns:
        The tracker.

    Raises:
        ConfigError: MLflow is asked for but not installed, or its store cannot be used.
    """
    if config.name == "none":
        return NoTracker()
    try:
        # An extra, and two seconds to import.
        from training.mlflow_tracker import (  # noqa: PLC0415 # pylint: disable=import-outside-toplevel
            MlflowTracker,
        )
    except ModuleNotFoundError as exc:
        raise ConfigError(
            "`tracking.name` is mlflow, which is not installed.",
            "pip install 'actionstream[mlflow]'",
        ) from exc
    return MlflowTracker(config, folder, run_id)

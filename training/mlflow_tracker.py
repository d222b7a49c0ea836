"""Runs reported to MLflow: a server, or an SQLite file with a folder of artifacts beside it.

The extra ``mlflow`` brings MLflow's client without the pages of its server; ``mlflow ui`` of a full
installation shows what it wrote.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param  # pylint: disable=import-error  # an extra
from mlflow.exceptions import MlflowException  # pylint: disable=import-error  # an extra
from mlflow.tracking import MlflowClient  # pylint: disable=import-error  # an extra

from contracts.errors import ConfigError, redact
from inference.bundle import Bundle
from training.config import TrackingConfig

# What one request to a server may hold.
_MOST_METRICS, _MOST_PARAMETERS, _LONGEST_VALUE = 1000, 100, 500


class MlflowTracker:
    """Tells MLflow of one run."""

    def __init__(self, config: TrackingConfig, folder: Path, run_id: str = "") -> None:
        """Begin a run, or take one up.

        Args:
            config: Which store, experiment and model.
            folder: The run's folder; its name is the run's.
            run_id: A run that goes on; empty for a new one.

        Raises:
            ConfigError: The store cannot be used.
        """
        self._config = config
        self._waiting: list[tuple[str, float, int, int]] = []
        # An analytics tool on somebody's cameras tells nobody else that it runs.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        with self._usable():
            self._client = MlflowClient(tracking_uri=_store(config, folder))
            self.run_id = run_id or self._begin(folder)
            if run_id:
                self._client.update_run(run_id, status="RUNNING")

    def _begin(self, folder: Path) -> str:
        name = self._config.experiment
        known = self._client.get_experiment_by_name(name)
        if known is None:
            experiment = self._client.create_experiment(name, _artifacts(self._config, folder))
        else:
            experiment = known.experiment_id
        return str(self._client.create_run(experiment, run_name=folder.name).info.run_id)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except MlflowException as exc:
            store = redact(self._config.uri or "the local file")
            raise ConfigError(f"MLflow cannot use {store} (`tracking.uri`): {exc}") from exc

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Tell what the run decides."""
        told = [Param(key, str(value)[:_LONGEST_VALUE]) for key, value in _flat(values)]
        with self._usable():
            for start in range(0, len(told), _MOST_PARAMETERS):
                part = told[start : start + _MOST_PARAMETERS]
                self._client.log_batch(self.run_id, params=part)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Keep figures until they are sent."""
        now_ms = int(time.time() * 1000)
        self._waiting += [(key, float(value), now_ms, step) for key, value in values.items()]

    def flush(self) -> None:
        """Send the figures that wait."""
        told = [Metric(*figures) for figures in self._waiting]
        with self._usable():
            for start in range(0, len(told), _MOST_METRICS):
                part = told[start : start + _MOST_METRICS]
                self._client.log_batch(self.run_id, metrics=part)
        self._waiting.clear()

    def finish(self, files: Iterable[Path], *, complete: bool) -> None:
        """Send the rest, the files, and how the run ended."""
        self.flush()
        with self._usable():
            for file in files:
                self._client.log_artifact(self.run_id, str(file))
            self._client.set_terminated(self.run_id, "FINISHED" if complete else "KILLED")

    def register(self, bundle: Bundle) -> str | None:
        """Keep the run's bundle with it, and make it a version of the configured model."""
        name = self._config.model
        with self._usable():
            self._client.log_artifacts(self.run_id, str(bundle.path), "bundle")
            self._client.set_terminated(self.run_id)
            if name is None:
                return None
            if not self._client.search_registered_models(f"name = '{name}'"):
                self._client.create_registered_model(name)
            source = f"{self._client.get_run(self.run_id).info.artifact_uri}/bundle"
            tags = {"bundle": bundle.model_id}
            version = self._client.create_model_version(name, source, self.run_id, tags)
        return str(version.version)


def _store(config: TrackingConfig, folder: Path) -> str:
    if config.uri is not None:
        return config.uri
    file = folder.resolve().parent / "mlflow" / "mlflow.db"
    file.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{file}"


def _artifacts(config: TrackingConfig, folder: Path) -> str | None:
    """Where files of an experiment lie: beside our own store; elsewhere the store decides."""
    if config.uri is not None:
        return None
    return (folder.resolve().parent / "mlflow" / "artifacts").as_uri()


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value

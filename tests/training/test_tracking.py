"""Runs told to MLflow's own client and an SQLite file, where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import ConfigError
from inference.bundle import Bundle

pytest.importorskip("torch", reason="training needs the [train] extra")

# pylint: disable=wrong-import-position  # the configuration imports torch, which may be missing
from training.config import TrackingConfig
from training.tracking import NoTracker, open_tracker

_INSTALLED = importlib.util.find_spec("mlflow") is not None
_needs_mlflow = pytest.mark.skipif(not _INSTALLED, reason="needs the [mlflow] extra")
_EVERYDAY = Path(__file__).resolve().parents[2] / "models" / "everyday"


def test_nobody_is_told_by_default(tmp_path: Path) -> None:
    tracker = open_tracker(TrackingConfig(), tmp_path / "run")
    assert isinstance(tracker, NoTracker)
    tracker.parameters({"steps": 3})
    tracker.metrics({"loss": 1.0}, 1)
    tracker.finish([], complete=True)
    assert tracker.run_id == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(_INSTALLED, reason="the [mlflow] extra is installed")
def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pip install 'actionstream\[mlflow\]'"):
        open_tracker(TrackingConfig("mlflow"), tmp_path / "run")


@_needs_mlflow
@pytest.mark.slow
@pytest.mark.timeout(600)  # its database is made by dozens of migrations, each waiting for the disk
def test_a_run_goes_on_and_its_bundle_becomes_a_version(tmp_path: Path) -> None:
    """Parameters, figures per update, files, and two versions of a model; read by MLflow."""
    mlflow: Any = importlib.import_module("mlflow.tracking")  # an extra

    config = TrackingConfig("mlflow", experiment="squares", model="everyday")
    folder = tmp_path / "runs" / "first"
    tracker = open_tracker(config, folder)
    tracker.parameters({"config": {"optimizer": {"name": "adamw"}, "steps": 3}, "long": "x" * 999})
    for step in range(1, 1103):
        tracker.metrics({"loss": 1 / step}, step)
    tracker.finish([], complete=False)

    again = open_tracker(config, folder, tracker.run_id)
    again.metrics({"mean": 0.9}, 1103)
    again.finish([_EVERYDAY / "bundle.json"], complete=True)
    bundle = Bundle.load(_EVERYDAY)
    assert [again.register(bundle), again.register(bundle)] == ["1", "2"]

    store = mlflow.MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow/mlflow.db")
    run = store.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "first"
    assert run.data.params["config.optimizer.name"] == "adamw"
    assert run.data.metrics["mean"] == 0.9
    history = store.get_metric_history(tracker.run_id, "loss")
    assert [point.step for point in history] == list(range(1, 1103))
    assert {item.path for item in store.list_artifacts(tracker.run_id)} == {"bundle.json", "bundle"}
    version = store.get_model_version("everyday", "2")
    assert version.run_id == tracker.run_id
    assert version.tags["bundle"] == bundle.model_id
    weights = tmp_path.glob("runs/mlflow/artifacts/*/artifacts/bundle/weights.safetensors")
    assert len(list(weights)) == 1


@_needs_mlflow
def test_a_store_that_cannot_be_used_is_named_without_its_password(tmp_path: Path) -> None:
    uri = "ftp://me:secret@nowhere/x"
    with pytest.raises(ConfigError, match=r"tracking.uri") as caught:
        open_tracker(TrackingConfig("mlflow", uri=uri), tmp_path / "run")
    assert "secret" not in str(caught.value)

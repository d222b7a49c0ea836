"""Puts the predictions of the REST API together: the service, and the processes that score."""

from __future__ import annotations

from contracts.settings import Settings
from inference.api.streams import choosable
from inference.predictions.service import PredictionService
from inference.worker import Worker
from stack.scorer import child_command


def make_service(settings: Settings, worker: Worker) -> PredictionService:
    """Make what scores the videos that are sent to a worker's API.

    Args:
        settings: Of the whole product.
        worker: Its model is the default, those that its streams may choose can be named.
    """
    return PredictionService(
        settings.predictions,
        child_command(settings),
        lambda: {bundle.name: bundle.path for bundle in choosable(worker)},
        worker.model.bundle.path,
    )

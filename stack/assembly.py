"""A worker with all that belongs to it, put together: engine, outputs, history, REST API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from contracts.messages import Command
from contracts.mqtt import LinkState
from contracts.settings import Settings
from inference.api.app import create_api
from inference.api.feeds import feed_routes
from inference.api.predictions import prediction_routes
from inference.api.subscriptions import Feeds
from inference.predictions.service import PredictionService
from inference.publisher import CommandHandlers, ResultPublisher
from inference.tee import Listener, TeePublisher
from inference.worker import Worker
from stack.annotated import Annotations
from stack.history import memory_routes, open_history
from stack.models import choice_of_models, open_model
from stack.predicting import make_service
from stack.sources import make_opener


@dataclass(frozen=True, slots=True)
class Assembled:
    """A worker with all that belongs to it, put together but not started.

    Attributes:
        worker: Analyses streams.
        publisher: Tells MQTT.
        feeds: Tells browsers.
        predictions: Scores videos that are sent in.
        api: Answers requests about all of these.
    """

    worker: Worker
    publisher: ResultPublisher
    feeds: Feeds
    predictions: PredictionService
    api: FastAPI


@asynccontextmanager
async def assemble(settings: Settings, publish_url: str) -> AsyncIterator[Assembled]:
    """Put a worker together, with its history open while the context lasts.

    Args:
        settings: Of the whole product.
        publish_url: Base URL of the RTSP server, where annotated video goes.

    Yields:
        The parts.
    """
    model = await asyncio.to_thread(open_model, settings.model)

    def follow(stream: str, command: Command) -> None:
        worker.on_command(stream, command)

    def refuse(stream: str, why: str) -> None:
        worker.on_command(stream, Command(), why)

    publisher = ResultPublisher(
        settings.mqtt,
        CommandHandlers(on_command=follow, on_bad_command=refuse),
    )
    async with AsyncExitStack() as opened:
        history = await opened.enter_async_context(open_history(settings.history))
        # Everybody who hears of results beside MQTT: history, feeds, annotated video.
        annotations, feeds = Annotations(publish_url), Feeds()
        listeners: list[Listener] = [*([history] if history else []), feeds, annotations]
        results = TeePublisher(publisher, listeners)
        worker = Worker(settings, model, results, make_opener(settings.source, annotations))
        worker.equip(choice_of_models(settings.model), history.database if history else None)
        predictions = make_service(settings, worker)
        api = create_api(
            worker,
            lambda: publisher.stats.broker is LinkState.CONNECTED,
            [
                feed_routes(worker, feeds),
                *memory_routes(worker, history),
                prediction_routes(predictions),
            ],
        )
        yield Assembled(worker, publisher, feeds, predictions, api)

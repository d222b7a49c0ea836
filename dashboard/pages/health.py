"""How the parts of the stack fare, and each stream over time."""

from __future__ import annotations

from typing import Any

from dash import html
from dash.development.base_component import Component

from contracts.settings import Settings
from dashboard.parts import named, rtsp_url

_RANGES = {"0": "Now", "3600": "Last hour", "86400": "Last day"}


def page(settings: Settings) -> Component:
    """Build the page.

    Args:
        settings: All settings.
    """
    server: dict[str, Any] = {"data-address": rtsp_url(settings)}
    return html.Div(
        [
            html.Div(id="parts", className="parts", role="list", **named("Parts"), **server),
            html.Section(
                [
                    html.Div(
                        [
                            html.H2("Streams"),
                            html.Ul(id="stages", className="stages", **named("Stages of latency")),
                            _ranges(),
                        ],
                        className="head",
                    ),
                    html.P(id="no-vitals", className="faint"),
                    html.Div(id="vitals", className="vitals"),
                ],
                className="panel",
                **named("Streams"),
            ),
        ],
        className="page",
    )


def _ranges() -> html.Div:
    return html.Div(
        [
            html.Label("Show", htmlFor="range"),
            html.Select(
                [html.Option(text, value=value) for value, text in _RANGES.items()], id="range"
            ),
        ],
        className="sort",
    )

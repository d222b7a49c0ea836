"""Videos that were recorded before: sent to the worker, scored, and shown with their scores."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from contracts.settings import Settings
from dashboard.parts import UNSPOKEN, named


def page(settings: Settings) -> Component:
    """Build the page.

    Args:
        settings: All settings.
    """
    if settings.dashboard.read_only:
        return html.Div(
            html.Section(
                [
                    html.H2("This dashboard is for looking only"),
                    html.P("Whoever runs it has set dashboard.read_only, so nothing can be sent."),
                ],
                className="panel empty",
            ),
            className="page",
        )
    return html.Div(
        [
            _drop(settings.predictions.max_mb),
            html.Div(id="jobs", className="jobs", role="list", **named("Videos")),
            html.Section(id="result", className="result", hidden=True, **named("Result")),
        ],
        className="page",
    )


def _drop(max_mb: int) -> html.Section:
    """Where files are dropped; its inputs are the script's, as Dash has no plain ones."""
    return html.Section(
        [
            html.Span(className="icon uploads", **UNSPOKEN),
            html.H2("Drop videos here"),
            html.P(
                f"See which actions they show, and when. Up to {max_mb} MB each; they stay on the"
                " machine of the worker only until they are scored."
            ),
            html.Div(id="pick", className="pick"),
        ],
        id="drop",
        className="panel drop",
        **named("Send videos"),
    )

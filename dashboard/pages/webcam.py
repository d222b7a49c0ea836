"""The camera of this computer, sent into the stack: wave at it and see ``wave``."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from contracts.settings import Settings
from dashboard.parts import UNSPOKEN, button, named


def page(settings: Settings) -> Component:
    """Build the page.

    Args:
        settings: All settings.
    """
    if settings.dashboard.read_only:
        return _impossible("This dashboard is for looking only (dashboard.read_only).")
    if settings.dashboard.whep_url is None:
        return _impossible("There is no server of WebRTC to send it to (dashboard.whep_url).")
    return html.Div([_controls(), _stage()], className="page webcam")


def _impossible(why: str) -> html.Div:
    panel = html.Section([html.H2("No webcam here"), html.P(why)], className="panel empty")
    return html.Div(panel, className="page")


def _controls() -> html.Section:
    return html.Section(
        [
            html.H2("Send the camera of this computer"),
            html.P(
                "Start, wave, and see what is recognised. The video goes to this stack and to "
                "nobody else, and is analysed like any other stream.",
                className="words",
            ),
            html.Div(
                [
                    html.Label("Camera", htmlFor="webcam-camera"),
                    html.Div(id="webcam-cameras"),
                    html.Label("Name of the stream", htmlFor="webcam-name"),
                    html.Div(id="webcam-names"),
                    button("Start", "webcam-start", "primary"),
                ],
                className="webcam-fields",
            ),
            html.Div(id="webcam-message", className="webcam-message", role="alert"),
        ],
        className="panel webcam-controls",
        **named("Camera"),
    )


def _stage() -> html.Section:
    return html.Section(
        [
            html.Div(
                [
                    html.Div("The camera is off.", id="webcam-off", className="no-picture"),
                    html.Span(id="webcam-state", className="state", role="status"),
                ],
                id="webcam-picture",
                className="webcam-picture",
            ),
            html.Div(
                [
                    html.H2(id="webcam-action"),
                    html.Span(id="webcam-score", className="score"),
                    html.Div(html.Div(id="webcam-meter"), className="meter", **UNSPOKEN),
                ],
                id="webcam-now",
                className="action quiet",
            ),
            html.P(html.A("See its graph", id="webcam-link"), className="words", id="webcam-more"),
        ],
        className="panel webcam-stage",
        **named("What the camera shows"),
    )

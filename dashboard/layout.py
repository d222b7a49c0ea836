"""The page: its parts and their places.

Dash draws this frame once; the scripts in ``assets`` then fill it with increments. Texts that come
over the network are only ever set as text, never as markup.
"""

from __future__ import annotations

import json
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from contracts.errors import redact
from contracts.settings import Settings
from dashboard import figures
from dashboard.increments import HEARTBEAT_S, TICK_S

# Decoration that screen readers leave out.
_UNSPOKEN: dict[str, Any] = {"aria-hidden": "true"}


def page(settings: Settings) -> dmc.MantineProvider:
    """Build the page.

    Args:
        settings: All settings.

    Returns:
        The layout for ``Dash.layout``.
    """
    return dmc.MantineProvider(
        theme={"primaryColor": "blue", "fontFamily": "system-ui, sans-serif"},
        defaultColorScheme="auto",
        children=[
            html.Div(id="config", hidden=True, **_config(settings)),
            html.A("Skip to the graph", href="#live", className="skip"),
            _header(),
            html.Main(
                [
                    html.Div(id="notice", className="notice", role="status", hidden=True),
                    _empty(settings),
                    html.Nav(id="cards", className="cards", **_named("Streams")),
                    html.Div([_now(), _graph(settings)], id="live", className="live", hidden=True),
                    html.Section(id="tiles", className="tiles", hidden=True, **_named("Figures")),
                    _events(),
                ]
            ),
        ],
    )


def _named(name: str) -> dict[str, Any]:
    """Properties that give a component a name for screen readers."""
    return {"aria-label": name}


def _config(settings: Settings) -> dict[str, Any]:
    """Properties that carry what the scripts need to know."""
    config = {
        "window_s": settings.dashboard.window_s,
        "tick_s": TICK_S,
        "heartbeat_s": HEARTBEAT_S,
        "palette": {"light": figures.PALETTE_LIGHT, "dark": figures.PALETTE_DARK},
        "background": {"light": figures.BACKGROUND_LIGHT, "dark": figures.BACKGROUND_DARK},
        "dashes": figures.DASHES,
        "rows": {"truth": figures.TRUTH, "detected": figures.DETECTED},
    }
    return {"data-config": json.dumps(config)}


def _header() -> html.Header:
    return html.Header(
        [
            html.H1([html.Span(className="mark", **_UNSPOKEN), "actionstream"]),
            html.Div(id="service", className="service", role="status"),
            html.Div(
                dmc.Select(
                    id="chooser",
                    data=[],
                    searchable=True,
                    allowDeselect=False,
                    checkIconPosition="right",
                    placeholder="Choose a stream",
                    nothingFoundMessage="No such stream",
                    **_named("Stream"),
                ),
                className="chooser",
            ),
            dmc.ColorSchemeToggle(
                id="scheme",
                lightIcon=html.Span(className="icon sun"),
                darkIcon=html.Span(className="icon moon"),
                variant="default",
                size="lg",
                **_named("Light or dark"),
            ),
        ]
    )


def _empty(settings: Settings) -> html.Section:
    """What is shown while there is no stream."""
    command = f"ffmpeg -re -stream_loop -1 -i VIDEO.mp4 -c copy -f rtsp {_rtsp(settings)}/cam1"
    return html.Section(
        [
            html.H2(id="empty-title"),
            html.P(id="empty-text"),
            html.Div(
                [
                    html.Code(command, id="push"),
                    html.Button("Copy", id="copy", className="button", type="button"),
                ],
                id="empty-push",
                className="command",
                hidden=True,
            ),
        ],
        id="empty",
        className="panel empty",
    )


def _rtsp(settings: Settings) -> str:
    """Where to push to, as far as the settings tell."""
    rtsp = settings.rtsp
    host = f"[{rtsp.host}]" if ":" in rtsp.host else rtsp.host
    return redact(rtsp.url or f"rtsp://{host}:{rtsp.port}").rstrip("/")


def _now() -> html.Section:
    """The picture and what is happening in it."""
    return html.Section(
        [
            html.Div(
                [
                    html.Img(id="picture", alt="", hidden=True),
                    html.Div(id="no-picture", className="no-picture"),
                    html.Span(id="state", className="state"),
                ],
                className="picture",
            ),
            html.Div(
                [
                    html.H2(id="action"),
                    html.Span(id="score", className="score"),
                    html.Div(html.Div(id="meter"), className="meter", **_UNSPOKEN),
                ],
                className="action",
            ),
            html.P(id="words", className="words"),
        ],
        className="panel now",
        **_named("Now"),
    )


def _graph(settings: Settings) -> html.Section:
    return html.Section(
        [
            html.Div(
                [
                    dcc.Graph(
                        id="graph",
                        figure=figures.base_figure(settings.dashboard.window_s),
                        responsive=True,
                        config={"displayModeBar": False, "scrollZoom": False},
                    ),
                    html.Button("Pause", id="pause", className="pause", type="button"),
                ],
                className="plot",
            ),
            html.Div(id="legend", className="legend", role="group", **_named("Classes")),
        ],
        className="panel graph",
        **_named("Scores of the last minute"),
    )


def _events() -> html.Section:
    columns = ("Started", "Action", "Duration", "Peak")
    return html.Section(
        [
            html.H2("Recent actions"),
            html.Table(
                [
                    html.Thead(html.Tr([html.Th(column, scope="col") for column in columns])),
                    html.Tbody(id="event-rows"),
                ]
            ),
            html.P("None yet.", id="no-events"),
        ],
        id="events",
        className="panel events",
        hidden=True,
    )

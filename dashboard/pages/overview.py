"""Every stream as a card; streams are added, changed and removed here."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from contracts.settings import Settings
from dashboard.parts import UNSPOKEN, button, link, named, rtsp_url

_ORDERS = {"name": "Name", "state": "State", "action": "Action", "event": "Last event"}


def page(settings: Settings) -> Component:
    """Build the page.

    Args:
        settings: All settings.
    """
    return html.Div(
        [
            _toolbar(settings.dashboard.read_only),
            _empty(settings),
            html.Div(id="cards", className="cards", role="list", **named("Streams")),
            html.P(id="no-match", className="faint", role="status", hidden=True),
        ],
        className="page",
    )


def _toolbar(read_only: bool) -> html.Div:
    """Search, filter and order; its input is the script's, as Dash has no plain one."""
    add = [] if read_only else [button("Add a stream", "add-stream", "primary")]
    orders = [html.Option(text, value=value) for value, text in _ORDERS.items()]
    return html.Div(
        [
            html.H2("Streams", className="unseen"),
            html.Div(id="search-box", className="search"),
            html.Div(id="states", className="chips", role="group", **named("Show by state")),
            html.Div(
                [html.Label("Sort by", htmlFor="order"), html.Select(orders, id="order")],
                className="sort",
            ),
            *add,
        ],
        id="overview-tools",
        className="tools",
        hidden=True,
    )


def _empty(settings: Settings) -> html.Section:
    """What is shown while there is no stream."""
    command = f"ffmpeg -re -stream_loop -1 -i VIDEO.mp4 -c copy -f rtsp {rtsp_url(settings)}/cam1"
    return html.Section(
        [
            html.Span(className="mark large", **UNSPOKEN),
            html.H2(id="empty-title"),
            html.P(id="empty-text"),
            html.Div(
                [
                    html.Div(
                        [html.Code(command, id="push"), button("Copy", "copy")],
                        className="command",
                    ),
                    html.P(
                        [
                            "Or ",
                            link("use the camera of this computer", "webcam", "/webcam"),
                            ", ",
                            link("analyse a video file", "uploads", "/uploads"),
                            ", or add a camera by its address.",
                        ]
                    ),
                    *(
                        []
                        if settings.dashboard.read_only
                        else [button("Add a stream", "add-first", "primary")]
                    ),
                ],
                id="empty-push",
                hidden=True,
            ),
        ],
        id="empty",
        className="panel empty",
        hidden=True,
    )

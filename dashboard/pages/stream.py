"""One stream: its video beside the graph of its scores, what was detected, and how to tune it.

Video, graph and timeline share one clock. The scripts ``6-*.js`` bring this frame to life; a page
that may change nothing gets no controls that would.
"""

from __future__ import annotations

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from contracts.settings import Settings
from dashboard import figures
from dashboard.parts import UNSPOKEN, button, named

_SPANS = (
    (10, "10 seconds"),
    (30, "30 seconds"),
    (60, "1 minute"),
    (300, "5 minutes"),
    (900, "15 minutes"),
    (3600, "1 hour"),
)
_KEYS = (
    "Left and right arrow: move the cursor. With Shift: scroll back and forth. Plus and minus: "
    "zoom. Space: pause or go on. F: give feedback. Escape: back."
)


def page(settings: Settings) -> Component:
    """Build the page.

    Args:
        settings: All settings.
    """
    changeable = not settings.dashboard.read_only
    further = [_tuning(), _feedback()] if changeable else []
    return html.Div(
        [
            html.Section(
                [html.H2(id="no-stream-title"), html.P("Choose another one above.")],
                id="no-stream",
                className="panel empty",
                hidden=True,
            ),
            html.Div(
                [_now(), _graph(settings), _legend()], id="live", className="live", hidden=True
            ),
            html.Div([_events(), *further], id="below", className="below", hidden=True),
            html.Section(id="tiles", className="tiles", hidden=True, **named("Figures")),
            html.Dialog(id="event-dialog", **_titled("event-title")),
        ],
        className="page",
    )


def _titled(by: str) -> dict[str, Any]:
    """Properties that name a component by the text of another."""
    return {"aria-labelledby": by}


def _described(by: str) -> dict[str, Any]:
    """Properties that describe a component by the text of another."""
    return {"aria-describedby": by}


def _now() -> html.Section:
    """The video and what is happening in it."""
    overlay = html.Div(
        [
            html.H2(id="action"),
            html.Span(id="score", className="score"),
            html.Div(html.Div(id="meter"), className="meter", **UNSPOKEN),
        ],
        id="caption",
        className="caption",
    )
    return html.Section(
        [
            html.Div(
                [
                    html.Div(id="video", className="video"),
                    html.Img(id="past", className="past", alt="", hidden=True),
                    html.Div(id="no-past", className="no-past", hidden=True),
                    html.Span(id="state", className="state"),
                    html.Span(id="past-time", className="past-time", hidden=True),
                    overlay,
                ],
                id="screen",
                className="screen",
            ),
            html.P(id="words", className="words"),
        ],
        className="panel now",
        **named("Now"),
    )


def _graph(settings: Settings) -> html.Section:
    plot = html.Div(
        [
            dcc.Graph(
                id="graph",
                figure=figures.base_figure(settings.dashboard.window_s),
                responsive=True,
                config={"displayModeBar": False, "scrollZoom": False},
            ),
            html.Div(id="timeline", className="timeline"),
            html.Div(
                [
                    html.Div(id="selection", hidden=True),
                    html.Div(html.Span("on screen"), id="moment", hidden=True),
                    html.Div(html.Span(), id="cursor", hidden=True),
                ],
                className="marks",
                **UNSPOKEN,
            ),
            html.Div(id="span-menu", hidden=True, role="group", **named("The marked span")),
        ],
        id="plot",
        className="plot",
        tabIndex=0,
        role="group",
        **named("Scores over time"),
        **_described("plot-keys"),
    )
    return html.Section(
        [
            _toolbar(settings.dashboard.window_s),
            plot,
            html.P(_KEYS, id="plot-keys", className="unseen"),
            html.P(id="history-words", className="history-words", role="status"),
        ],
        className="panel graph",
        **named("Scores over time"),
    )


def _toolbar(window_s: float) -> html.Div:
    spans = sorted({*_SPANS, *_own_span(window_s)})
    options: list[Any] = [html.Option(text, value=str(seconds)) for seconds, text in spans]
    return html.Div(
        [
            html.Select(options, id="span", title="How much time is shown", **named("Time shown")),
            _tool("◀", "earlier", "Earlier"),
            button("Pause", "pause", "tool"),
            _tool("▶", "later", "Later"),
            _tool("+", "closer", "Look closer"),
            _tool("\N{MINUS SIGN}", "wider", "Look wider"),
            html.Span(id="view-words", className="view-words", role="status"),
            html.Select(
                [
                    html.Option("Strongest 3", value="3"),
                    html.Option("Strongest 6", value="6"),
                    html.Option("Strongest 12", value="12"),
                    html.Option("All classes", value="1000"),
                    html.Option("Chosen ones", value="chosen", disabled=True),
                ],
                id="lines",
                title="Which lines are shown",
                **named("Lines shown"),
            ),
            button("Stacked", "stacked", "tool"),
            button("CSV", "csv", "tool"),
            button("PNG", "png", "tool"),
        ],
        className="toolbar",
        role="toolbar",
        **named("Graph"),
    )


def _own_span(window_s: float) -> list[tuple[int, str]]:
    """The span that the settings name, if it is not among the usual ones."""
    known = any(seconds == window_s for seconds, _ in _SPANS)
    return [] if known else [(round(window_s), f"{window_s:g} seconds")]


def _tool(sign: str, name: str, words: str) -> html.Button:
    return html.Button(
        sign, id=name, className="button tool", type="button", title=words, **named(words)
    )


def _legend() -> html.Section:
    return html.Section(
        [
            html.Div(id="legend", className="legend", role="group", **named("Classes")),
            html.Div(id="truth-file", className="truth-file"),
        ],
        className="panel classes",
        **named("Classes and their scores"),
    )


def _events() -> html.Section:
    columns = ("Started", "Action", "Duration", "Peak")
    return html.Section(
        [
            html.H2("Actions", id="events-title"),
            html.Div(
                html.Table(
                    [
                        html.Thead(html.Tr([html.Th(column, scope="col") for column in columns])),
                        html.Tbody(id="event-rows"),
                    ]
                ),
                className="scroll",
                tabIndex=0,
                role="region",
                **named("List of actions"),
            ),
            html.P("None yet.", id="no-events"),
        ],
        id="events",
        className="panel events",
    )


def _tuning() -> html.Section:
    return html.Section(
        [
            html.H2("Tuning"),
            html.P("When does a score become an action? Try it on what is in view, then apply it."),
            html.Div(id="tuning", className="tuning"),
        ],
        className="panel",
        **named("Tuning"),
    )


def _feedback() -> html.Section:
    return html.Section(
        [
            html.H2("Feedback"),
            html.P("Drag over the graph, or press F, and say whether it was right."),
            html.Div(id="feedback", className="feedback"),
        ],
        className="panel",
        **named("Feedback"),
    )

"""The graph: lines over the time in view.

The page fills it with increments; everything that does not change is said here. The colours of a
label follow from its place in the model's list, in every graph, card and table.
"""

from __future__ import annotations

import plotly.graph_objects as go

# Okabe and Ito (2008) with Tol's muted scheme (2021) for more classes, each shifted in lightness to
# stand out on a white and on a dark ground. Beyond the palette colours repeat with another dash.
PALETTE_LIGHT = (
    "#0072B2", "#D55E00", "#009E73", "#B8428C", "#2E9FDF", "#B07900",
    "#882255", "#2B8C80", "#6A3FB5", "#C23B4E", "#6B7A00", "#4B5BC4",
)  # fmt: skip
PALETTE_DARK = (
    "#4BA8E8", "#FF8A3D", "#2CCB9C", "#EE8FC7", "#9AD8FF", "#F0C244",
    "#E2739F", "#6FDCCB", "#B49AF5", "#FF7F8C", "#C9D44C", "#93A4FF",
)  # fmt: skip
BACKGROUND_LIGHT = "#8A939C"
BACKGROUND_DARK = "#8793A0"
DASHES = ("solid", "dash", "dot")


def base_figure(window_s: float) -> go.Figure:
    """Draw the empty graph.

    Args:
        window_s: Seconds that the time axis spans.

    Returns:
        A figure of scores in 0-1 over a time axis; the timeline below it is not Plotly's.
    """
    figure = go.Figure()
    figure.update_layout(
        margin={"l": 68, "r": 12, "t": 8, "b": 26},
        autosize=True,
        showlegend=False,
        # The page has a cursor of its own, which shows the picture of that moment, too.
        hovermode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        dragmode=False,
        uirevision="keep",
        meta={"window_s": window_s},
    )
    figure.update_xaxes(
        type="date",
        range=[-1000 * window_s, 0],
        autorange=False,
        fixedrange=True,
        tickformat="%H:%M:%S",
        nticks=7,
        tickangle=0,
        showline=False,
        zeroline=False,
    )
    figure.update_layout(
        yaxis={
            "range": [-0.02, 1.02],
            "fixedrange": True,
            "tickformat": ".0%",
            "tickvals": [0, 0.25, 0.5, 0.75, 1],
            "ticklabelstandoff": 6,
            "zeroline": False,
        },
    )
    return figure

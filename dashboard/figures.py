"""The graph: lines over the rolling window, and below them what was detected and what is true.

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

DETECTED = "Detected"
TRUTH = "Truth"


def base_figure(window_s: float) -> go.Figure:
    """Draw the empty graph.

    Args:
        window_s: Seconds that the time axis spans.

    Returns:
        A figure with two panels over one time axis: scores in 0-1 above, two rows of bars below.
    """
    figure = go.Figure()
    figure.update_layout(
        margin={"l": 68, "r": 12, "t": 8, "b": 30},
        autosize=True,
        showlegend=False,
        hovermode="x unified",
        barmode="overlay",
        bargap=0.25,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        dragmode=False,
        uirevision="keep",
        meta={"window_s": window_s},
    )
    figure.update_xaxes(
        type="date",
        anchor="y2",
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
            "domain": [0.27, 1],
            "range": [-0.02, 1.02],
            "fixedrange": True,
            "tickformat": ".0%",
            "tickvals": [0, 0.25, 0.5, 0.75, 1],
            "ticklabelstandoff": 6,
            "zeroline": False,
        },
        yaxis2={
            "domain": [0, 0.22],
            "type": "category",
            "categoryorder": "array",
            "categoryarray": [TRUTH, DETECTED],
            "range": [-0.5, 1.5],
            "fixedrange": True,
            "ticklabelstandoff": 6,
            "showgrid": False,
            "zeroline": False,
        },
    )
    return figure

"""Colours that can be told apart, and the frame of the page."""

from __future__ import annotations

import json

from contracts.settings import DashboardSettings, RtspSettings, Settings
from dashboard import figures
from dashboard.layout import page


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_lines_stand_out_from_their_ground() -> None:
    """WCAG 2.2, 1.4.11: graphics need a contrast of 3:1."""
    for palette, ground in (
        ((*figures.PALETTE_LIGHT, figures.BACKGROUND_LIGHT), "#ffffff"),
        ((*figures.PALETTE_DARK, figures.BACKGROUND_DARK), "#171e27"),
    ):
        assert len(set(palette)) == len(palette)
        low = {colour: contrast(colour, ground) for colour in palette}
        assert min(low.values()) >= 2.9, low


def test_both_palettes_have_a_colour_per_place() -> None:
    assert len(figures.PALETTE_LIGHT) == len(figures.PALETTE_DARK)


def test_the_graph_leaves_moving_and_reading_to_the_page() -> None:
    layout = figures.base_figure(90).to_dict()["layout"]
    assert layout["meta"] == {"window_s": 90}
    assert layout["xaxis"]["fixedrange"] and layout["yaxis"]["fixedrange"]
    assert layout["hovermode"] is False
    # An emptier range would let Plotly draw on a scale of its own.
    low, high = layout["yaxis"]["range"]
    assert low < 0
    assert high > 1


def test_the_page_shows_the_command_but_no_password() -> None:
    settings = Settings(
        rtsp=RtspSettings(url="rtsp://me:secret@media:8554/"),
        dashboard=DashboardSettings(worker_token="open sesame"),
    )
    text = json.dumps(page(settings).to_plotly_json(), default=lambda part: part.to_plotly_json())
    assert "rtsp://me:***@media:8554/cam1" in text
    assert "secret" not in text
    assert "sesame" not in text

"""The frame around the pages: header, navigation, one section per page.

Dash draws this once; the scripts in ``assets`` then fill it with increments. Texts that come over
the network are only ever set as text, never as markup.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from contracts.settings import Settings
from dashboard import figures
from dashboard.increments import HEARTBEAT_S, TICK_S
from dashboard.pages import health, overview, stream, uploads, webcam
from dashboard.parts import UNSPOKEN, named


@dataclass(frozen=True, slots=True)
class _Page:
    """One page: how it is called, where it is, and what builds it."""

    title: str
    path: str
    build: Callable[[Settings], Component]


_PAGES = {
    "overview": _Page("Overview", "/", overview.page),
    "stream": _Page("Stream", "/stream", stream.page),
    "health": _Page("Health", "/health", health.page),
    "uploads": _Page("Uploads", "/uploads", uploads.page),
    "webcam": _Page("Webcam", "/webcam", webcam.page),
}

PATHS = tuple(one.path for one in _PAGES.values())
"""Addresses of the pages; ``/stream/<name>`` is one, too."""


def page(settings: Settings) -> dmc.MantineProvider:
    """Build the frame with every page in it, all of them hidden.

    Args:
        settings: All settings.

    Returns:
        The layout for ``Dash.layout``.
    """
    sections = [_section(name, one.title, one.build(settings)) for name, one in _PAGES.items()]
    return dmc.MantineProvider(
        theme={"primaryColor": "blue", "fontFamily": "system-ui, sans-serif"},
        defaultColorScheme="auto",
        children=[
            html.Div(id="config", hidden=True, **_config(settings)),
            html.A("Skip to the content", href="#main", className="skip"),
            _header(),
            html.Main(
                [
                    html.Div(id="notice", className="notice", role="status", hidden=True),
                    *sections,
                    _section("missing", "Not found", _missing()),
                ],
                id="main",
                tabIndex=-1,
            ),
        ],
    )


def _section(name: str, title: str, content: Component) -> html.Section:
    return html.Section(content, hidden=True, **_leads_to(name), **named(title))


def _leads_to(name: str) -> dict[str, Any]:
    """Properties of a page's section and of the links to it."""
    return {"data-page": name}


def _config(settings: Settings) -> dict[str, Any]:
    """Properties that carry what the scripts need to know."""
    config = {
        "window_s": settings.dashboard.window_s,
        "read_only": settings.dashboard.read_only,
        "upload_mb": settings.predictions.max_mb,
        "tick_s": TICK_S,
        "heartbeat_s": HEARTBEAT_S,
        "palette": {"light": figures.PALETTE_LIGHT, "dark": figures.PALETTE_DARK},
        "background": {"light": figures.BACKGROUND_LIGHT, "dark": figures.BACKGROUND_DARK},
        "dashes": figures.DASHES,
    }
    return {"data-config": json.dumps(config)}


def _header() -> html.Header:
    links = [
        html.A(
            [html.Span(className=f"icon {name}", **UNSPOKEN), one.title],
            href=one.path,
            **_leads_to(name),
        )
        for name, one in _PAGES.items()
    ]
    return html.Header(
        [
            html.H1(
                html.A(
                    [html.Span(className="mark", **UNSPOKEN), "actionstream"],
                    href="/",
                    **_leads_to("overview"),
                )
            ),
            html.Nav(links, className="pages", **named("Pages")),
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
                    **named("Stream"),
                ),
                id="chooser-box",
                className="chooser",
                hidden=True,
            ),
            html.Button(
                "?", id="keys", className="button round", type="button", **named("List of keys")
            ),
            dmc.ColorSchemeToggle(
                id="scheme",
                lightIcon=html.Span(className="icon sun"),
                darkIcon=html.Span(className="icon moon"),
                variant="default",
                size="lg",
                **named("Light or dark"),
            ),
        ]
    )


def _missing() -> html.Div:
    return html.Div(
        [
            html.H2("There is no such page"),
            html.P("The address is mistyped, or the page has moved."),
            html.A("To the overview", href="/", className="button", **_leads_to("overview")),
        ],
        className="panel empty",
    )

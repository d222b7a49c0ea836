"""Small parts that several pages are built from."""

from __future__ import annotations

from typing import Any

from dash import html

from contracts.errors import redact
from contracts.settings import Settings

UNSPOKEN: dict[str, Any] = {"aria-hidden": "true"}
"""Properties of decoration that screen readers leave out."""


def named(name: str) -> dict[str, Any]:
    """Properties that give a component a name for screen readers."""
    return {"aria-label": name}


def button(text: str, name: str, look: str = "") -> html.Button:
    """A button that a script gives its work.

    Args:
        text: What it says.
        name: Its id.
        look: Further classes: ``primary``, ``quiet`` or ``danger``.
    """
    return html.Button(text, id=name, className=f"button {look}".strip(), type="button")


def link(text: str, name: str, path: str, look: str = "") -> html.A:
    """A link to one of the pages, which is shown without loading anything again.

    Args:
        text: What it says.
        name: Name of the page.
        path: Its address.
        look: Classes.
    """
    page: dict[str, Any] = {"data-page": name}
    return html.A(text, href=path, className=look, **page)


def rtsp_url(settings: Settings) -> str:
    """Where to push video to, as far as the settings tell, without a password."""
    rtsp = settings.rtsp
    host = f"[{rtsp.host}]" if ":" in rtsp.host else rtsp.host
    return redact(rtsp.url or f"rtsp://{host}:{rtsp.port}").rstrip("/")

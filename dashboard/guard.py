"""Who may change something through the dashboard, and how a refusal reads.

A browser sends a request from any page it shows to any address. So whatever changes something must
come from our own page, which the browser says in `Sec-Fetch-Site` (W3C Fetch Metadata) and, where
that is missing, in `Origin` (RFC 6454). Programs send neither and do as they like: what protects
from them is the address the dashboard listens on.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from contracts.errors import redact

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def problem(
    status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Make an answer that says what is wrong (RFC 9457).

    Args:
        status: Of the answer.
        code: Stable identifier for programs.
        detail: What is wrong and what to do, in words; credentials are left out.
        headers: Further headers.
    """
    content = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": redact(detail),
    }
    return JSONResponse(content, status.value, headers, media_type="application/problem+json")


def refusal(request: Request, read_only: bool) -> Response | None:
    """Check whether a request may do what it asks for.

    Args:
        request: Any request.
        read_only: Whether nothing may be changed from the page.

    Returns:
        The answer that refuses it, or ``None`` if it may go on.
    """
    if request.method in _READING:
        return None
    if not _from_our_page(request):
        return problem(
            HTTPStatus.FORBIDDEN,
            "foreign_page",
            "Another web page asked for this change; only the dashboard's own page may.",
        )
    if read_only:
        return problem(
            HTTPStatus.FORBIDDEN,
            "read_only",
            "This dashboard is for looking only (dashboard.read_only).",
        )
    return None


def _from_our_page(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")

"""The document of a report: where its numbers come from, and its sections; and its files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.errors import ActionstreamError, redact
from training.reports.page import render_page
from training.versions import code_version

SCHEMA = 1
PAGE_FILE = "report.html"
NUMBERS_FILE = "report.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the numbers of a report come from.

    Attributes:
        subject: What was judged: ``name@version`` of a model, or a file of results.
        data: What it was judged on.
        command: What made the report.
        made_at: When, in UTC.
    """

    subject: str
    data: str
    command: str
    made_at: datetime


def make_document(origin: Origin, sections: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put a document together.

    Args:
        origin: Where its numbers come from.
        sections: From `classification.make_section` and `detection.make_section`.

    Returns:
        JSON values; docs/evaluation.md describes them.
    """
    return {
        "schema": SCHEMA,
        "title": f"{origin.subject} on {origin.data}",
        "subject": origin.subject,
        "data": origin.data,
        "command": redact(origin.command),
        "date": origin.made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "code": code_version(),
        "sections": [dict(section) for section in sections],
    }


def write_report(document: Mapping[str, Any], folder: Path) -> Path:
    """Write the page and its numbers; each file whole or not at all.

    Args:
        document: From `make_document`.
        folder: Where to; made when missing, an earlier report in it is replaced.

    Returns:
        The page.

    Raises:
        ActionstreamError: The folder cannot be written to.
    """
    page = folder / PAGE_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        numbers = json.dumps(document, allow_nan=False) + "\n"
        _write(folder / NUMBERS_FILE, numbers)
        _write(page, render_page(document))
    except OSError as exc:
        raise ActionstreamError(f"The report cannot be written to {folder}: {exc}.") from exc
    return page


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

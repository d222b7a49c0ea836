"""Writes the REST interface down for others: an OpenAPI 3.1 document.

    python -m stack.openapi [FILE]

Everything is taken from the worker's API with all its routes; a test fails when the committed file
differs from what this module makes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from contracts.settings import Settings
from stack.assembly import assemble

DEFAULT_FILE = Path("docs/openapi.yaml")
_HEADER = "# Made by `python -m stack.openapi` from the routes of the worker's API.\n"


def openapi_document() -> dict[str, Any]:
    """The document of a worker with the default settings."""
    with tempfile.TemporaryDirectory() as folder:
        history = {"path": str(Path(folder) / "history.sqlite3")}
        settings = Settings.model_validate({"streams": [], "history": history})
        return asyncio.run(_document(settings))


async def _document(settings: Settings) -> dict[str, Any]:
    async with assemble(settings, "rtsp://127.0.0.1:8554") as parts:
        # Through JSON: YAML would write shared parts as references of its own.
        document: dict[str, Any] = json.loads(json.dumps(parts.api.openapi()))
        return document


def to_yaml(document: dict[str, Any]) -> str:
    """Write a document as the committed file has it."""
    text: str = yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)
    return _HEADER + text


def main(arguments: list[str]) -> None:
    """Write the file."""
    path = Path(arguments[0]) if arguments else DEFAULT_FILE
    path.write_text(to_yaml(openapi_document()), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main(sys.argv[1:])

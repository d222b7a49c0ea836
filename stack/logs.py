"""Logging of every process: one line a record, text or JSON, never a password."""

from __future__ import annotations

import json
import logging
import sys

from contracts.errors import redact
from contracts.settings import LogSettings

# Libraries that tell at INFO what only their authors want to know.
_QUIET = (
    *("httpx", "httpcore", "uvicorn", "libav", "dash", "asyncio", "aioice"),
    *("onnx_ir", "onnxscript"),
)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            entry["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


def configure_logging(settings: LogSettings) -> None:
    """Send the log to standard error.

    Args:
        settings: Least level and format.
    """
    handler = logging.StreamHandler(sys.stderr)
    if settings.format == "json":
        handler.setFormatter(_Json())
    else:
        handler.setFormatter(_Text("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    level = max(logging.WARNING, logging.getLogger().level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(level)

"""Writes the MQTT interface down for others: an AsyncAPI 3.0 document and JSON Schemas.

    python -m contracts.asyncapi [FOLDER]

Everything is taken from ``contracts.messages`` and ``contracts.topics``; a test fails when the
committed files differ from what this module makes.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from contracts.messages import (
    MESSAGES,
    SCHEMA_VERSION,
    Command,
    ControlState,
    Event,
    EventRule,
    FrameCount,
    Labels,
    Message,
    Scores,
    StreamStatus,
    TopScore,
    TruthMessage,
    TruthSpan,
)
from contracts.topics import OFFLINE, ONLINE, Kind, Topics
from contracts.types import Clock, Latency, Quality, StreamState, TimeSpan

DEFAULT_FOLDER = Path("docs")
_HEADER = "# Made by `python -m contracts.asyncapi` from the types in contracts/messages.py.\n"
_MODEL = "everyday@1.0.0"


@dataclass(frozen=True, slots=True)
class Guarantee:
    """How a kind of message travels.

    Attributes:
        summary: What it says, in one line.
        qos: Quality of service at which it is published.
        retained: Whether the broker keeps the newest.
        sent_by_us: Whether the product publishes it; else it listens.
    """

    summary: str
    qos: int
    retained: bool
    sent_by_us: bool = True


GUARANTEES: dict[Kind, Guarantee] = {
    Kind.STATUS: Guarantee("State of a stream", 1, True),
    Kind.LABELS: Guarantee("Labels of the model that looks at a stream", 1, True),
    Kind.SCORES: Guarantee("Scores of one window; lost while the broker is away", 0, False),
    Kind.EVENTS: Guarantee("An action began, goes on or ended", 1, False),
    Kind.TRUTH: Guarantee("What a published video is known to show", 1, True),
    Kind.SET: Guarantee("A command to a stream; do not retain it", 1, False, sent_by_us=False),
    Kind.STATE: Guarantee("What is in force for a stream; the answer to `set`", 1, True),
}

EXAMPLES: dict[Kind, Message] = {
    Kind.STATUS: StreamStatus(
        stream="hall/cam1",
        state=StreamState.LIVE,
        since=1763634000.12,
        resolution="1280x720",
        fps=25.0,
        codec="h264",
        model=_MODEL,
        windows=1201,
    ),
    Kind.LABELS: Labels(
        model=_MODEL,
        labels=["walk", "wave2", "none"],
        titles=["Walking", "Waving both hands", "Nothing"],
        background=["none"],
    ),
    Kind.SCORES: Scores(
        stream="hall/cam1",
        seq=1201,
        window=TimeSpan(1763634000.12, 1763634001.4),
        media=TimeSpan(96.0, 97.28),
        top=TopScore("walk", 0.93),
        scores={"walk": 0.93, "wave2": 0.04, "none": 0.03},
        model=_MODEL,
        clock=Clock.RTCP,
        frames=FrameCount(16, 0),
        latency_ms=Latency(decode=3.1, wait=4.0, model=11.2, total=64.5),
        quality=Quality(brightness=0.46, sharpness=182.0),
        published_at=1763634001.4645,
    ),
    Kind.EVENTS: Event(
        stream="hall/cam1",
        id="hall/cam1-1763634000120-walk",
        type="end",
        label="walk",
        start=1763634000.12,
        end=1763634006.5,
        score=0.88,
        peak=0.97,
        model=_MODEL,
    ),
    Kind.TRUTH: TruthMessage(
        stream="demo",
        started_at=1763634000.0,
        duration_s=60.0,
        annotations=[TruthSpan("walk", 2.0, 6.5), TruthSpan("wave2", 8.0, 11.2)],
    ),
    Kind.SET: Command(paused=False, rules={"walk": EventRule(enter=0.7, exit=0.5)}),
    Kind.STATE: ControlState(
        stream="hall/cam1", paused=False, rules={"*": EventRule(), "walk": EventRule(enter=0.7)}
    ),
}


def documents() -> dict[str, str]:
    """Make every file.

    Returns:
        Text by path relative to the folder of the documentation.
    """
    files = {"asyncapi.yaml": _HEADER + _to_yaml(asyncapi())}
    for message in MESSAGES:
        text = json.dumps(schema(message), indent=2, ensure_ascii=False)
        files[f"schemas/{message.KIND}.json"] = text + "\n"
    return files


def schema(message: type[Message]) -> dict[str, Any]:
    """JSON Schema of a message, with each field described and an example."""
    made = message.json_schema()
    declaration = made.pop("$schema")
    example = json.loads(EXAMPLES[message.KIND].to_json())
    return {
        "$schema": declaration,
        "$id": f"urn:actionstream:schema:{SCHEMA_VERSION}:{message.KIND}",
        **_tidy(made),
        "examples": [example],
    }


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "actionstream",
            "version": f"{SCHEMA_VERSION}.0.0",
            "description": (
                "Human-action scores and events of live video. Payloads are JSON in UTF-8; times "
                "are UTC seconds unless a field says media. The first level of every topic is the "
                "setting mqtt.prefix. Receivers must ignore fields they do not know."
            ),
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:1883",
                "protocol": "mqtt",
                "description": "The broker that the stack starts; MQTT 5 and 3.1.1.",
            }
        },
        "channels": {"service": _service_channel(), **{k.value: _channel(k) for k in Kind}},
        "operations": _operations(),
        "components": {
            "messages": {message.KIND.value: _message(message) for message in MESSAGES},
            "parameters": {
                "stream": {
                    "description": (
                        "Name of the stream, percent-encoded into one level (RFC 3986): "
                        "hall/cam1 is hall%2Fcam1."
                    ),
                    "examples": ["cam1", "hall%2Fcam1"],
                }
            },
        },
    }


def _service_channel() -> dict[str, Any]:
    text = {"type": "string", "enum": [ONLINE, OFFLINE]}
    return {
        "address": Topics().status,
        "title": "State of the service",
        "description": "Retained at QoS 1, and the last will; said again at every reconnect.",
        "messages": {
            "service": {"contentType": "text/plain", "payload": text, "title": "Service status"}
        },
    }


def _channel(kind: Kind) -> dict[str, Any]:
    guarantee = GUARANTEES[kind]
    kept = "retained" if guarantee.retained else "not retained"
    return {
        # The placeholder is put in afterwards: as a name its braces would be percent-encoded.
        "address": Topics().stream("STREAM", kind).replace("STREAM", "{stream}"),
        "title": guarantee.summary,
        "description": f"QoS {guarantee.qos}, {kept}.",
        "parameters": {"stream": {"$ref": "#/components/parameters/stream"}},
        "messages": {kind.value: {"$ref": f"#/components/messages/{kind}"}},
    }


def _operations() -> dict[str, Any]:
    service = Guarantee("Say whether the service is there", 1, True)
    operations = {"serviceStatus": _operation("service", service)}
    for kind in Kind:
        operations[kind.value] = _operation(kind.value, GUARANTEES[kind])
    return operations


def _operation(channel: str, guarantee: Guarantee) -> dict[str, Any]:
    return {
        "action": "send" if guarantee.sent_by_us else "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": guarantee.summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{channel}"}],
        "bindings": {"mqtt": {"qos": guarantee.qos, "retain": guarantee.retained}},
    }


def _message(message: type[Message]) -> dict[str, Any]:
    summary, _ = split_docstring(inspect.getdoc(message) or "")
    return {
        "name": message.KIND.value,
        "title": message.__name__,
        "summary": summary,
        "contentType": "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./schemas/{message.KIND}.json"},
        },
        "examples": [{"payload": json.loads(EXAMPLES[message.KIND].to_json())}],
    }


def _tidy(node: Any) -> Any:
    """Move the lines of ``Attributes:`` to their fields and drop titles that repeat the name."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: _tidy(value) for key, value in node.items()}
    fields = made.get("properties", {})
    if not isinstance(made.get("description"), str) or not isinstance(fields, dict):
        return made
    made["description"], attributes = split_docstring(made["description"])
    for name, field in fields.items():
        field.pop("title", None)
        if name in attributes:
            field["description"] = attributes[name]
    return made


def split_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Split a docstring of Google style.

    Args:
        text: With its indentation removed.

    Returns:
        The first paragraph, and what ``Attributes:`` says about each name.
    """
    summary, _, rest = text.replace("``", "`").partition("\n\n")
    _, _, listed = rest.partition("Attributes:\n")
    attributes: dict[str, str] = {}
    for entry in re.split(r"\n    (?=\S)", "\n" + listed):
        name, colon, meaning = entry.partition(":")
        if colon and name.strip().isidentifier():
            attributes[name.strip()] = " ".join(meaning.split())
    return " ".join(summary.split()), attributes


class _Dumper(yaml.SafeDumper):
    """Writes shared values out again instead of referring to them by anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Say that nothing may become an alias."""
        return True


def _to_yaml(tree: dict[str, Any]) -> str:
    text: str = yaml.dump(tree, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
    return text


def main(arguments: list[str]) -> None:
    """Write every file below a folder."""
    folder = Path(arguments[0]) if arguments else DEFAULT_FOLDER
    for name, text in documents().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])

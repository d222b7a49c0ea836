"""The OpenAPI document: what FastAPI knows of the routes, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from contracts.asyncapi import split_docstring
from inference.api.auth import OPEN
from inference.api.problems import MEDIA_TYPE, Problem

_TEXT: Final = """\
Human-action analytics on live video: streams and their scores, history and feedback, and
predictions of whole videos.

Times are UTC seconds unless a field says media. Every error is a `Problem` (RFC 9457) whose `code`
is stable. Clients must ignore fields that they do not know.
"""
_TAGS: Final = {
    "predictions": "Whole videos: scored at once or as a job.",
    "streams": "What is analysed now.",
    "live": "Results as they are made.",
    "history": "Results of the past.",
    "pictures": "Small pictures of the recent past.",
    "feedback": "What people say about a span.",
    "models": "The models that can be chosen.",
    "health": "For supervisors and monitoring.",
}
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "The setting `api.token`; asked for only if it is set.",
}
_PROBLEM: Final = {"schema": {"$ref": "#/components/schemas/Problem"}}
_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})
# What FastAPI says of its own errors, which are problems here.
_FOREIGN: Final = ("HTTPValidationError", "ValidationError")


def describe_api(api: FastAPI, *, token_required: bool) -> None:
    """Make an application describe itself.

    Args:
        api: Has all its routes; its document is made when it is first asked for.
        token_required: Whether requests need a token.
    """

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            made = get_openapi(
                title=api.title, version=api.version, description=_TEXT, routes=api.routes
            )
            api.openapi_schema = _completed(made, token_required=token_required)
        return api.openapi_schema

    # FastAPI's documented way to change the document.
    api.openapi = openapi  # type: ignore[method-assign]


def _completed(document: dict[str, Any], *, token_required: bool) -> dict[str, Any]:
    used: set[str] = set()
    for path, operation in _operations(document):
        used.update(operation.get("tags", ()))
        operation["description"] = _unwrapped(operation.get("description", ""))
        _describe_problems(operation["responses"])
        if path in OPEN:
            operation["security"] = []
        elif token_required:
            operation["responses"]["401"] = _problem(HTTPStatus.UNAUTHORIZED.phrase)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _FOREIGN:
        schemas.pop(name, None)
    schemas["Problem"] = TypeAdapter(Problem).json_schema()
    components["schemas"] = {name: _described(schemas[name]) for name in sorted(schemas)}
    components["securitySchemes"] = {"bearer": _BEARER}
    document["info"]["license"] = {"name": "MIT", "identifier": "MIT"}
    document["security"] = [{"bearer": []}] if token_required else [{"bearer": []}, {}]
    known = [{"name": tag, "description": text} for tag, text in _TAGS.items() if tag in used]
    document["tags"] = known + [{"name": tag} for tag in sorted(used - _TAGS.keys())]
    return document


def _unwrapped(text: str) -> str:
    """Join the lines of each paragraph."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Take a class's docstring apart: what it says of each field goes to the field."""
    if "description" not in schema:
        return schema
    text, attributes = split_docstring(schema["description"])
    fields = {
        name: {**field, "description": attributes[name]} if name in attributes else field
        for name, field in schema.get("properties", {}).items()
    }
    return {**schema, "description": text} | ({"properties": fields} if fields else {})


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in _METHODS:
                yield path, operation


def _describe_problems(responses: dict[str, Any]) -> None:
    """Make every error a problem, the ones that nobody listed too."""
    for status, answer in responses.items():
        # An answer of another kind, as of a health check, stays what it is.
        kinds = set(answer.get("content", {MEDIA_TYPE: {}}))
        if status.startswith(("4", "5")) and kinds <= {MEDIA_TYPE, "application/json"}:
            text = answer.get("description", "")
            if text in ("", "Validation Error"):
                text = HTTPStatus(int(status)).phrase
            responses[status] = _problem(text) | {
                key: value for key, value in answer.items() if key == "headers"
            }
    responses.setdefault("4XX", _problem("The request is refused; `code` says why"))
    responses.setdefault("5XX", _problem("The service cannot answer; `code` says why"))


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {MEDIA_TYPE: _PROBLEM}}

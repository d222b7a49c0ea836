"""The OpenAPI document: in step with the code, valid, and kept by the API that it describes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from jsonschema import Draft202012Validator

from stack.openapi import openapi_document, to_yaml
from tests.stack.api_server import served, settings_for

schemathesis = pytest.importorskip("schemathesis", reason="needs the dev extra")

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.yaml"
# Feeds without end; their contract is tested where they are.
ENDLESS = ("/v1/live", "/v1/streams/{name}/live")
TRIES = 10


@pytest.fixture(name="document", scope="module")
def fixture_document() -> dict[str, Any]:
    """The document as the code makes it."""
    return openapi_document()


@pytest.fixture(name="api", scope="module")
def fixture_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running API without streams, with one video to name."""
    folder = tmp_path_factory.mktemp("api")
    limits = {"max_mb": 1, "timeout_s": 30, "media_root": str(folder)}
    with served(settings_for(folder, predictions=limits)) as (url, _):
        yield url


def test_the_committed_file_is_the_one_the_code_makes(document: dict[str, Any]) -> None:
    committed = COMMITTED.read_text(encoding="utf-8")
    assert committed == to_yaml(document), "run: python -m stack.openapi"
    assert yaml.safe_load(committed) == document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation with its name."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_every_operation_is_explained(document: dict[str, Any]) -> None:
    known = {tag["name"] for tag in document["tags"] if tag.get("description")}
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for name, operation in operations(document):
        assert operation["description"], name
        assert set(operation["tags"]) <= known, name
        for status, answer in operation["responses"].items():
            if status.startswith("4"):
                assert list(answer["content"]) == ["application/problem+json"], name
        assert "4XX" in operation["responses"], name


def test_schemas_are_schemas(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, f"{name} is used nowhere"


def test_the_page_needs_nothing_from_elsewhere(api: str) -> None:
    page = httpx.get(f"{api}/docs")
    assert page.is_success
    assert "https://" not in page.text
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert f"docs/assets/{asset}" in page.text
        assert len(httpx.get(f"{api}/docs/assets/{asset}").content) > 100_000


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
def test_the_api_keeps_its_contract(api: str) -> None:
    schema = schemathesis.openapi.from_url(f"{api}/openapi.json")
    checks = [
        schemathesis.checks.not_a_server_error,
        *(
            schemathesis.checks.CHECKS.get_one(name)
            for name in (
                "status_code_conformance",
                "content_type_conformance",
                "response_headers_conformance",
                "response_schema_conformance",
            )
        ),
    ]
    seen = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in ENDLESS:
            continue
        seen.add(operation.label)
        # Without a broker, 503 is what it should say.
        wanted = checks[1:] if operation.path == "/readyz" else checks
        _try(operation, wanted)
    assert len(seen) > 20


def _try(operation: Any, checks: list[Any]) -> None:
    """Ask an operation a few things that its description allows, and judge the answers."""

    @examples(
        max_examples=TRIES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def attempt(case: Any) -> None:
        case.call_and_validate(checks=checks, timeout=60)

    # pylint: disable-next=no-value-for-parameter  # hypothesis gives it
    attempt()

"""The written interface: in step with the types, complete, and without dead references."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from contracts.asyncapi import EXAMPLES, GUARANTEES, documents, main, split_docstring
from contracts.topics import Kind, Topics

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(name="document")
def fixture_document() -> dict[str, Any]:
    """The committed AsyncAPI document."""
    tree: dict[str, Any] = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
    return tree


@pytest.mark.parametrize("name", sorted(documents()))
def test_committed_files_are_those_the_types_make(name: str) -> None:
    committed = (DOCS / name).read_text(encoding="utf-8")

    assert committed == documents()[name], "run: python -m contracts.asyncapi"


def test_nothing_else_lies_beside_the_schemas() -> None:
    assert {path.stem for path in (DOCS / "schemas").iterdir()} == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_schemas_are_valid_and_say_what_each_field_means(kind: Kind) -> None:
    tree = json.loads((DOCS / "schemas" / f"{kind}.json").read_text(encoding="utf-8"))

    Draft202012Validator.check_schema(tree)
    for example in tree["examples"]:
        Draft202012Validator(tree).validate(example)
    for name, field in tree["properties"].items():
        assert field.get("description"), f"{kind}.{name} is not described"


def test_every_topic_is_documented_with_its_guarantee(document: dict[str, Any]) -> None:
    addresses = {name: channel["address"] for name, channel in document["channels"].items()}
    assert addresses.pop("service") == Topics().status
    assert addresses == {kind: f"actionstream/streams/{{stream}}/{kind}" for kind in Kind}
    for kind, guarantee in GUARANTEES.items():
        bindings = document["operations"][kind]["bindings"]["mqtt"]
        assert bindings == {"qos": guarantee.qos, "retain": guarantee.retained}


def test_examples_are_messages(document: dict[str, Any]) -> None:
    for kind, message in document["components"]["messages"].items():
        known = EXAMPLES[Kind(kind)]
        assert type(known).from_json(json.dumps(message["examples"][0]["payload"])) == known


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    references = list(_references(document))
    assert references
    for reference in references:
        place, _, pointer = reference.partition("#")
        assert not place or (DOCS / place).is_file(), reference
        node: Any = document
        for part in pointer.strip("/").split("/") if pointer else []:
            assert part in node, reference
            node = node[part]


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _references(item)


def test_the_command_writes_all_files(tmp_path: Path) -> None:
    main([str(tmp_path)])

    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert written == set(documents())


def test_docstrings_are_taken_apart() -> None:
    text = "Does\nthis.\n\nMore.\n\nAttributes:\n    one: First\n        line.\n    two: Second."

    assert split_docstring(text) == ("Does this.", {"one": "First line.", "two": "Second."})

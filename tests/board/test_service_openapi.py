"""The OpenAPI description: whole, unambiguous, and true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.service import Desk

METHODS = {"get", "put", "post", "patch", "delete"}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with Desk.open(tmp_path_factory.mktemp("overlays")) as desk:
        yield desk.client.get("/api/v1/openapi.json").json()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_version_and_licence(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "lutlens"
    assert document["info"]["license"]["name"] == "MIT"


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        here: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in here, reference
            here = here[part]


def test_operations_have_names_that_generators_take(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) >= 15
    assert all(re.fullmatch(r"[a-z][a-z_]*", name) for name in names)


def test_operations_are_described(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, operation in operations(document):
        assert len(operation["tags"]) == 1, (path, method)
        assert operation["tags"][0] in tags
        assert operation["summary"]
        assert operation["description"]


def test_errors_are_problems_everywhere(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        failures = {
            status: response
            for status, response in operation["responses"].items()
            if not status.startswith("2")
        }
        assert "default" in failures, (path, method)
        for response in failures.values():
            assert list(response["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_fields_are_described_or_plain(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for field, about in schema.get("properties", {}).items():
            said = {"description", "examples", "$ref", "const", "enum", "items", "anyOf"}
            assert said & set(about) or about["type"] in (
                "string",
                "integer",
                "number",
                "boolean",
            ), f"{name}.{field}"


def test_stream_messages_have_schemas(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Status"]["properties"]["type"]["const"] == "status"
    assert schemas["Result"]["properties"]["type"]["const"] == "result"

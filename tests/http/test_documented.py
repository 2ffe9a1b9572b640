"""What the OpenAPI document promises of every operation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from entrypoints.description import openapi_text
from entrypoints.http.documented import FURTHER, TAGGED
from entrypoints.http.examples import ANSWERS, REQUESTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.served import Browser

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}


@pytest.fixture
def document(browser: Browser) -> Any:  # noqa: ANN401  a document
    return browser.http.get("/schema/openapi.json").json()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in document["paths"].values():
        for operation in path.values():
            yield operation["operationId"], operation


def test_every_refusal_is_documented_in_its_one_shape(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            assert "X-Request-ID" in response["headers"], (name, status)
            if status >= "400":
                assert response["content"] == PROBLEM, (name, status)
                assert ("Retry-After" in response["headers"]) == (status in {"429", "503"}), (name, status)
        assert {"200", "201"} & operation["responses"].keys(), name
        assert "500" not in operation["responses"], name
        assert ("security" in operation) == ("401" in operation["responses"] and name != "signIn"), name


def test_every_body_and_every_answer_has_an_example_that_is_valid(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        answers = [operation["responses"][status] for status in ("200", "201") if status in operation["responses"]]
        for told in (*bodies, *answers):
            media = told["content"].get("application/json")
            if media is None:
                assert name == "getMetrics"
                continue
            schema = {**media["schema"], "components": document["components"]}
            jsonschema_rs.validate(schema, media["examples"]["example"]["value"])


def test_bodies_take_no_unknown_fields(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        if "requestBody" in operation:
            (media,) = operation["requestBody"]["content"].values()
            schema = document["components"]["schemas"][media["schema"]["$ref"].rpartition("/")[2]]
            assert schema["additionalProperties"] is False, name


def test_the_document_that_is_checked_in_is_the_present_one(document: dict[str, Any]) -> None:
    kept = (Path(__file__).parents[2] / "docs/openapi.json").read_text("utf-8")
    assert kept == openapi_text(), "make openapi"
    assert json.loads(kept) == document


def test_every_operation_is_described_and_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    found = list(operations(document))
    assert len({name for name, _ in found}) == len(found)
    for name, operation in found:
        assert operation["summary"], name
        assert operation["description"].endswith((".", "?")), name
        for parameter in operation.get("parameters", ()):
            assert "schema" in parameter, (name, parameter["name"])
            assert parameter["description"], (name, parameter["name"])


def test_what_is_said_of_single_operations_is_said_of_ones_that_exist(document: dict[str, Any]) -> None:
    names = {name for name, _ in operations(document)}
    assert {*REQUESTS, *ANSWERS, *FURTHER, *TAGGED} <= names

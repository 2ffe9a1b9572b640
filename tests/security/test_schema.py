"""The service against its own OpenAPI document: whatever is sent, it answers as it says, and never with a fault."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.result import Ok

from tests.security.test_matrix import person

if TYPE_CHECKING:
    from schemathesis import APIOperation

    from tests.security.stand import Stand

WHO: Final = ("anonymous", "User", "Manager", "Admin", "SuperAdmin")
CASES: Final = {"dev": 250, "ci": 5_000, "nightly": 25_000}
CHECKS: Final[list[Any]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ENDING: Final = {"signOut", "changeUser", "deleteUser"}
"""What may end the caller's own session."""


@pytest.fixture(scope="module")
def schema(stand: Stand) -> schemathesis.schemas.BaseSchema:
    stand.operations()
    project = ProjectConfig(generation=GenerationConfig(with_security_parameters=False, database="none"))
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    return schemathesis.openapi.from_dict(stand.document, config=config)


def conform(stand: Stand, operation: APIOperation[Any, Any, Any, Any], who: str, cases: int) -> Counter[int]:
    """Send so many cases of an operation in somebody's name; return how often each status came back."""
    seen: Counter[int] = Counter()
    user = person(stand, who)
    headers = stand.caller(user).headers()
    with requests.Session() as session:

        @seed(5)
        @settings(
            max_examples=cases,
            derandomize=os.environ.get("HYPOTHESIS_PROFILE") != "nightly",
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.one_of([operation.as_strategy(mode) for mode in GenerationMode]))
        def run(case: Case[Any]) -> None:
            response = case.call(base_url=stand.address, session=session, headers=headers, timeout=20)
            seen[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        run()
    return seen


@pytest.mark.requirement(22, 27, 29)
@pytest.mark.parametrize("who", WHO)
def test_every_answer_is_one_that_the_document_has(
    stand: Stand, schema: schemathesis.schemas.BaseSchema, who: str, profile: str
) -> None:
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == len(stand.operations())
    said = [operation.definition.raw for operation in operations]
    varied = [one for one in said if one.get("parameters") or one.get("requestBody")]  # the others have one case
    each = -(-CASES[profile] // (len(varied) * len(WHO)))
    total = 0
    for operation in operations:
        seen = conform(stand, operation, who, each)
        total += seen.total()
        name = operation.definition.raw["operationId"]
        if who != "anonymous" and name not in ENDING and operation.definition.raw.get("security"):
            assert 401 not in seen, (name, seen)
    assert total >= CASES[profile] / len(WHO)

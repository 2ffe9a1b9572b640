"""What Prometheus is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.served import PASSWORD, Browser, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = {"audienceFilters": {"age": ["20-30"]}}


@pytest.fixture(scope="module")
def quiet() -> Iterator[str]:
    """Return the address of a service that nobody else asks."""
    with serving() as (address, _):
        yield address


def told(address: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return each sample by its name and labels."""
    browser = Browser(address)
    answer = browser.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(address: str, name: str, **labels: str) -> float:
    return told(address).get((name, tuple(sorted(labels.items()))), 0)


def requests(address: str, method: str, route: str, status: int) -> float:
    return value(address, "segmentation_requests_total", method=method, route=route, status=str(status))


def test_requests_are_counted_by_route_template_method_and_status(quiet: str) -> None:
    browser = Browser(quiet)
    browser.sign_in("analyst")
    for number in (1, 2, 3):
        browser.get(f"/api/presets/{number}")
    browser.http.get("/no/such/place/17")
    browser.http.request("BREW", "/health")
    assert requests(quiet, "GET", "/api/presets/{preset_id}", 404) == 3
    assert requests(quiet, "POST", "/api/auth/login", 200) == 1
    assert requests(quiet, "GET", "none", 404) == 1
    assert any(dict(labels).get("method") == "other" for _, labels in told(quiet))
    counted = value(quiet, "segmentation_request_seconds_count", method="GET", route="/api/presets/{preset_id}")
    assert counted == 3


def test_no_label_holds_what_a_client_sent(quiet: str) -> None:
    browser = Browser(quiet)
    browser.http.get("/secret-path/ana@example.com?token=abc")
    browser.http.get("/api/presets/user/somebody")
    text = browser.http.get("/metrics").text
    for sent in ("secret-path", "ana@example.com", "somebody", "abc"):
        assert sent not in text
    assert not re.search(r"/(home|root|tmp|usr|work)/", text)


def test_builds_and_questions_are_timed_and_the_cache_is_counted(quiet: str) -> None:
    browser = Browser(quiet)
    browser.sign_in("analyst")
    before = told(quiet)
    for _ in range(3):
        browser.post("/api/build-audience", BODY)
    browser.post("/api/audience/facets", BODY)
    after = told(quiet)

    def more(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0)

    assert more("segmentation_plan_seconds_count") == 1
    assert more("segmentation_count_seconds_count", question="size") == 1
    assert more("segmentation_count_seconds_count", question="plan_size") == 1
    assert more("segmentation_count_seconds_count", question="facets") == 1
    assert (more("segmentation_cache_total", outcome="miss"), more("segmentation_cache_total", outcome="hit")) == (1, 2)
    assert after["segmentation_pool_connections", (("state", "most"),)] == 18
    assert after["segmentation_plan_mismatches_total", ()] == 0
    assert after["process_resident_memory_bytes", ()] > 0


def test_the_cache_can_be_switched_off() -> None:
    with serving(SEGMENTATION_CACHED_ANSWERS="0") as (address, _):
        browser = Browser(address)
        browser.sign_in("analyst", PASSWORD)
        for _ in range(3):
            browser.post("/api/build-audience", BODY)
        assert value(address, "segmentation_cache_total", outcome="hit") == 0
        assert value(address, "segmentation_plan_seconds_count") == 3

"""Filters made to be hard: each is answered within 2 seconds, and others do not wait for them."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from entrypoints import demo
from segmentation_core import Catalog
from tests.served import Browser

if TYPE_CHECKING:
    from collections.abc import Callable

CATALOG = Catalog.from_json(demo.CATALOG.read_bytes())


def _conditions(draw: random.Random, count: int) -> list[dict[str, Any]]:
    found = []
    for dimension in draw.sample(list(CATALOG.dimensions), count):
        ids = [value.id for value in dimension.values]
        operator = draw.choice(["in", "all", "none"]) if dimension.multi else draw.choice(["in", "not_in"])
        found.append({"dimension": dimension.id, operator: draw.sample(ids, draw.randint(1, max(1, len(ids) - 1)))})
    return found


def _tree(draw: random.Random, depth: int) -> dict[str, Any]:
    if not depth:
        return _conditions(draw, 1)[0]
    operator = draw.choice(["and", "or", "not"])
    return {operator: _tree(draw, depth - 1) if operator == "not" else [_tree(draw, depth - 1) for _ in range(4)]}


SHAPES: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "any of few": lambda draw: {"or": [{"and": _conditions(draw, 4)} for _ in range(12)]},
    "any of 50": lambda draw: {"or": [{"and": _conditions(draw, 5)} for _ in range(50)]},
    "any of 400": lambda draw: {"or": [{"and": _conditions(draw, 3)} for _ in range(400)]},
    "all of any": lambda draw: {"and": [{"or": _conditions(draw, 6)} for _ in range(10)]},
    "none of": lambda draw: {"not": {"or": [{"and": _conditions(draw, 4)} for _ in range(25)]}},
    "long ones": lambda draw: {"or": [{"and": _conditions(draw, 20)} for _ in range(8)]},
    "a deep tree": lambda draw: _tree(draw, 5),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_filter_made_to_be_hard_is_answered_within_two_seconds(
    signed_in: Callable[[str], Browser], address: str, shape: str
) -> None:
    draw, analyst, slowest, health = random.Random(shape), signed_in("analyst"), 0.0, 0.0
    for _ in range(3):
        document = SHAPES[shape](draw)
        statuses: list[int] = []
        begun = time.monotonic()
        asking = threading.Thread(
            target=lambda found=statuses, sent=document: found.append(
                analyst.post("/api/build-audience", {"filter": sent}).status_code
            )
        )
        asking.start()
        while asking.is_alive():
            asked = time.monotonic()
            assert Browser(address).get("/health").status_code == 200
            health = max(health, time.monotonic() - asked)
            time.sleep(0.02)
        slowest = max(slowest, time.monotonic() - begun)
        assert statuses[0] in {200, 400}, statuses
    assert slowest < 2
    assert health < 0.5


def test_reading_hard_presets_costs_no_planning(signed_in: Callable[[str], Browser]) -> None:
    analyst, draw = signed_in("analyst"), random.Random(3)
    for number in range(8):
        document = {"filter": SHAPES["any of 50"](draw)}
        made = analyst.post("/api/presets", {"preset_name": f"hard {number}", "preset_filter_json": document})
        assert made.status_code == 201
        assert made.json()["preset"]["valid"] is False
    begun = time.monotonic()
    found = analyst.get("/api/presets?limit=100&search=hard").json()["presets"]
    assert time.monotonic() - begun < 1
    assert [one["problems"][0]["message"] for one in found] == ["is too complex to be planned"] * 8

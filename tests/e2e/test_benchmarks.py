"""The benchmark of the engines, on a panel that takes no time: all of them agree, and a wrong answer would be told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from adapters.population import BitmapIndex
from benchmarks import population
from benchmarks.filters import dashboards_of_seven
from benchmarks.population import TARGETS, main

if TYPE_CHECKING:
    from pathlib import Path


def test_filters_are_of_seven_dimensions_with_twelve_cities() -> None:
    documents = dashboards_of_seven(50)
    assert documents == dashboards_of_seven(50)
    assert {len(document) for document in documents} == {7}
    assert {len(document["city"]) for document in documents} == {12}


def test_all_engines_agree_and_the_targets_stand_beside_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(population, "FILTERS", 5)
    assert main(["300", "--rounds", "1", "--folder", str(tmp_path), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["disagreements"] == 0
    assert {"size: index", "size: pandas", "size: Polars", "size: DuckDB", "size: floor", "facets: DuckDB"} <= set(
        measured["microseconds"]
    )
    assert {target.measure for target in TARGETS} <= set(measured["figures"])

    right = BitmapIndex.sizes
    monkeypatch.setattr(BitmapIndex, "sizes", lambda self, wanted: tuple(size + 1 for size in right(self, wanted)))
    assert main(["300", "--rounds", "1", "--folder", str(tmp_path)]) == 1
    assert "15 ANSWERS DIFFER" in capsys.readouterr().out


@pytest.mark.parametrize("measure", sorted({target.measure for target in TARGETS}))
def test_a_target_is_reached_from_the_right_side(measure: str) -> None:
    target = next(target for target in TARGETS if target.measure == measure)
    better = target.value * (2 if "quicker" in measure else 0.5)
    assert target.reached(better)
    assert target.reached(target.value)
    assert not target.reached(target.value * (0.5 if "quicker" in measure else 2))

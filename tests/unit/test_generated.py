"""Generated panels: the shape of a national one, the same from the same seed, and in order for their own catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from adapters.population import BitmapIndex
from adapters.population.generated import ROWS_AT_ONCE, generate, panel_tables
from adapters.population.inferring import infer
from segmentation_core import Catalog, DataError, parse_filter

if TYPE_CHECKING:
    from pathlib import Path


def panel(rows: int, *, seed: int = 1, weighted: bool = True) -> pa.Table:
    return pa.concat_tables(panel_tables(rows, seed=seed, weighted=weighted))


def test_the_same_seed_makes_the_same_rows_however_many() -> None:
    first = panel(1000)
    assert panel(1000).equals(first)
    assert panel(ROWS_AT_ONCE + 10).slice(0, 1000).equals(first)
    assert not panel(1000, seed=2).equals(first)
    assert panel(ROWS_AT_ONCE + 10).num_rows == ROWS_AT_ONCE + 10
    assert panel(0).num_rows == 0
    assert "devices" not in panel(10, weighted=False).column_names


def test_weights_have_a_heavy_tail_and_columns_are_correlated() -> None:
    table = panel(50_000)
    weights = np.sort(table["devices"].to_numpy())[::-1]
    assert weights[-1] >= 1
    assert weights[:500].sum() > weights.sum() / 4
    city = np.bincount(table["city"].to_numpy(), minlength=105)
    assert city[1] > 5 * city[20] > 0
    assert len(city) == 105
    columns = np.array([table[name].to_numpy() for name in ("income", "device_price", "education", "age", "payment")])
    correlations = np.abs(np.corrcoef(columns.astype(float)))
    assert (correlations[np.triu_indices(5, 1)] > 0.1).sum() >= 3


@pytest.mark.parametrize("name", ["panel.csv", "panel.parquet"])
def test_a_panel_and_its_catalogue_fit(tmp_path: Path, name: str) -> None:
    seen: list[int] = []
    beside = generate(tmp_path / name, 2000, watch=seen.append)
    assert beside == tmp_path / "panel.catalog.json"
    assert seen == [2000]
    catalog = Catalog.from_json(beside.read_bytes())
    index = BitmapIndex.load(catalog, tmp_path / name)
    assert index.size(parse_filter({}, catalog)) == int(panel(2000, seed=2026)["devices"].to_numpy().sum())


def test_a_panel_of_people_weighs_one_each(tmp_path: Path) -> None:
    catalog = Catalog.from_json(generate(tmp_path / "panel.parquet", 100, weighted=False).read_bytes())
    assert catalog.weight is None
    assert BitmapIndex.load(catalog, tmp_path / "panel.parquet").size(parse_filter({}, catalog)) == 100


def test_another_ending_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the name does not tell what to write"):
        generate(tmp_path / "panel.xlsx", 10)
    assert not [*tmp_path.iterdir()]


def test_a_panel_is_inferred_to_be_what_it_is(tmp_path: Path) -> None:
    generate(tmp_path / "panel.parquet", 30_000)
    document, notes = infer(tmp_path / "panel.parquet", "panel")
    assert notes == []
    assert document["weight"]["column"] == "devices"
    kinds = {each["id"]: (each["kind"], len(each["values"])) for each in document["dimensions"]}
    assert kinds["income"] == ("single", 4)
    assert kinds["city"] == ("single", 104)
    assert kinds["automobile"] == ("multi", 9)
    assert len(kinds) == 30


def test_an_integer_of_any_length_is_a_code_and_no_weight(tmp_path: Path) -> None:
    huge = "9" * 5_000
    (tmp_path / "people.csv").write_text(f"devices,kind\n{huge},a\n1,b\n", "utf-8")
    document, _ = infer(tmp_path / "people.csv", "people")
    assert "weight" not in document
    assert [value["id"] for value in document["dimensions"][0]["values"]] == ["1", huge]

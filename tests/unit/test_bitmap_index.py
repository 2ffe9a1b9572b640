"""The laws of the bitmap index: it counts like the plain loop over people, whatever they were read from."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyarrow import parquet

from adapters.population import BitmapIndex
from segmentation_core import Catalog, Clause, Filter, PersonError, Plan, parse_filter, plan_audience
from segmentation_core.testing import filters
from tests.contract.populations import LARGEST, tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from segmentation_core.expressions import Person


def catalogue(*dimensions: dict[str, Any], segments: tuple[dict[str, Any], ...] = (), **more: object) -> Catalog:
    document = {"name": "test", "version": "1", "dimensions": dimensions, "segments": segments, **more}
    return Catalog.from_json(json.dumps(document))


def compact(catalog: Catalog, **wanted: object) -> Filter:
    return parse_filter(wanted, catalog)


@given(st.data())
def test_an_exact_plan_reaches_as_many_as_its_filter(data: st.DataObject) -> None:
    catalog, people, weights = data.draw(tables())
    index = BitmapIndex.from_people(catalog, people, weights)
    wanted = data.draw(filters(catalog))
    plan = plan_audience(wanted, catalog)
    if plan.exact:
        size = index.plan_size(plan)
        assert size.total == sum(size.clauses) == index.size(wanted)


def columns_of(catalog: Catalog, people: list[Person], weights: list[int] | None) -> dict[str, list[Any]]:
    """Give the table that says the same as the people: codes as the catalogue gives them, 1 and 0 for what is held."""
    columns: dict[str, list[Any]] = {"unread": ['"', *"x" * len(people)][: len(people)]}
    for dimension in catalog.dimensions:
        if dimension.multi:
            for value in dimension.values:
                flags = [int(value.id in person[dimension.id]) for person in people]
                columns[value.column or value.id] = flags
        else:
            codes = {value.id: value.id if value.code is None else value.code for value in dimension.values}
            columns[dimension.column or dimension.id] = [codes[str(person[dimension.id])] for person in people]
    if weights is not None:
        columns["units"] = weights
    return columns


def write_csv(path: Path, columns: Mapping[str, list[Any]], encoding: str = "utf-8") -> None:
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def arrow_column(draw: st.DrawFn, cells: list[Any]) -> pa.Array[Any]:
    """Draw one of the forms in which Parquet may hold the cells."""
    text = pa.array(list(map(str, cells)), pa.string())
    forms = [text, text.cast(pa.large_string()), text.dictionary_encode()]
    if all(isinstance(cell, int) for cell in cells):
        forms += [pa.array(cells, pa.int64()), pa.array(map(float, cells), pa.float64())]
        forms.append(pa.array(cells, pa.int64()).dictionary_encode())
        if all(cell in {0, 1} for cell in cells):
            forms += [pa.array(cells, pa.int8()), pa.array(cells, pa.float32())]
    return draw(st.sampled_from(forms))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@given(st.data())
def test_a_file_counts_like_the_people_in_it(folder: Path, data: st.DataObject) -> None:
    catalog, people, weights = data.draw(tables().filter(lambda table: bool(table[1])))
    columns = columns_of(catalog, people, weights)
    assume(not any("\0" in str(cell) for name, cells in columns.items() for cell in (name, *cells)))
    write_csv(folder / "people.csv", columns, data.draw(st.sampled_from(["utf-8", "utf-8-sig"])))
    arrow = pa.table({name: data.draw(st.composite(arrow_column)(cells)) for name, cells in columns.items()})
    parquet.write_table(arrow, folder / "people.parquet", row_group_size=data.draw(st.sampled_from([7, 64, 1000])))
    expected = BitmapIndex.from_people(catalog, people, weights)
    wanted = data.draw(st.lists(filters(catalog), max_size=3))
    wanted += [parse_filter({d.id: [v.id]}, catalog) for d in catalog.dimensions for v in d.values]
    for file in ("people.csv", "people.parquet"):
        index = BitmapIndex.load(catalog, folder / file)
        assert index.rows == expected.rows
        assert [index.size(each) for each in wanted] == [expected.size(each) for each in wanted]


@pytest.mark.parametrize("rows", [63, 64, 65, 128, 200])
def test_chunks_join_without_a_seam(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for reader in ("people", "csv_table", "arrow_tables"):
        monkeypatch.setattr(f"adapters.population.{reader}.CHUNK_ROWS", 64)
    kinds = [{"id": "single", "kind": "single", "values": [{"id": "a"}, {"id": "b"}]}]
    kinds += [{"id": "multi", "kind": "multi", "values": [{"id": "c"}, {"id": "d"}]}]
    catalog = catalogue(*kinds, weight={"column": "units"})
    people: list[Person] = [{"single": "ab"[i % 7 == 0], "multi": ["c"] if i % 5 else ["d"]} for i in range(rows)]
    weights = list(range(rows))
    columns = columns_of(catalog, people, weights)
    write_csv(tmp_path / "people.csv", columns)
    arrow = pa.table(columns).set_column(1, "single", pa.array(columns["single"]).dictionary_encode())
    parquet.write_table(arrow, tmp_path / "people.parquet", row_group_size=50)
    wanted = compact(catalog, single=["b"], multi=["c"])
    expected = sum(i for i in range(rows) if i % 7 == 0 and i % 5)
    assert BitmapIndex.from_people(catalog, people, weights).size(wanted) == expected
    assert BitmapIndex.load(catalog, tmp_path / "people.csv").size(wanted) == expected
    assert BitmapIndex.load(catalog, tmp_path / "people.parquet").size(wanted) == expected


ONE = catalogue({"id": "d", "kind": "single", "values": [{"id": "a"}, {"id": "b"}]}, segments=({"id": "all"},))
HEAVY = catalogue({"id": "d", "kind": "single", "values": [{"id": "a"}, {"id": "b"}]}, weight={"column": "w"})


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 129])
@pytest.mark.parametrize("document", [{"not": {"d": ["b"]}}, {"dimension": "d", "not_in": ["b"]}, {}, {"and": []}])
def test_the_bits_past_the_last_row_are_nobody(rows: int, document: object) -> None:
    index = BitmapIndex.from_people(ONE, [{"d": "a"}] * rows)
    assert index.size(parse_filter(document, ONE)) == rows
    assert index.size(parse_filter({"not": {"not": document}}, ONE)) == rows
    assert index.size(parse_filter({"not": document}, ONE)) == 0


def test_all_of_no_values_is_everyone() -> None:
    catalog = catalogue({"id": "m", "kind": "multi", "values": [{"id": "a"}]})
    index = BitmapIndex.from_people(catalog, [{"m": []}] * 65)
    assert index.size(parse_filter({"dimension": "m", "all": []}, catalog)) == 65


def test_an_empty_population_counts_nobody() -> None:
    index = BitmapIndex.from_people(ONE, [])
    everyone = Plan(exact=True, clauses=(Clause((("all",),), (), {}),), certificate=None, fingerprint="")
    assert (index.rows, index.memory) == (0, 0)
    assert index.size(compact(ONE)) == index.size(compact(ONE, d=["a"])) == index.plan_size(everyone).total == 0
    assert BitmapIndex.from_people(HEAVY, [], []).size(compact(HEAVY)) == 0


def test_weights_add_up_without_rounding() -> None:
    weights = [LARGEST, LARGEST - 1, 0, 1] * 1025
    index = BitmapIndex.from_people(HEAVY, [{"d": "a"}] * len(weights), weights)
    assert index.size(compact(HEAVY)) == sum(weights)
    assert sum(weights) > 2**64
    assert BitmapIndex.from_people(HEAVY, [{"d": "a"}] * 3, [0, 0, 0]).size(compact(HEAVY)) == 0


def test_asking_changes_nothing() -> None:
    index = BitmapIndex.from_people(ONE, [{"d": "a"}, {"d": "b"}, {"d": "a"}])
    wanted = parse_filter({"and": [{"or": [{"d": ["a"]}, {"not": {"d": ["a"]}}]}, {"not": {"d": ["b"]}}]}, ONE)
    assert [index.size(wanted) for _ in range(3)] == [2, 2, 2]
    assert index.size(compact(ONE, d=["b"])) == 1


def test_memory_is_one_bit_per_row_and_bitmap_in_whole_lines_of_the_cache() -> None:
    assert BitmapIndex.from_people(ONE, [{"d": "a"}] * 65).memory == 64 * (2 + 1)  # two values, and everyone
    weighed = BitmapIndex.from_people(HEAVY, [{"d": "a"}] * 65, [5] * 64 + [6])
    # A floor of eight bytes for each of eight words, no slices, and four bytes for each row's place in the table.
    assert weighed.memory == 64 * (2 + 1) + 64 + 4 * 65
    # One row of the first word is one above the floor: its slice, where that is, and what it counts.
    assert BitmapIndex.from_people(HEAVY, [{"d": "a"}] * 65, [5] * 63 + [6] * 2).memory == weighed.memory + 3 * 8


def test_clauses_that_overlap_show_in_the_total() -> None:
    index = BitmapIndex.from_people(ONE, [{"d": "a"}] * 3)
    twice = Plan(exact=True, clauses=(Clause((("all",),), (), {}),) * 2, certificate=None, fingerprint="")
    size = index.plan_size(twice)
    assert size.clauses == (3, 3)
    assert size.total == 3


def test_a_list_that_is_not_in_the_catalogue_is_named() -> None:
    index = BitmapIndex.from_people(ONE, [{"d": "a"}])
    for clause in (Clause((("all", "gone"),), (), {}), Clause((("all",),), ("gone",), {})):
        with pytest.raises(KeyError, match="gone"):
            index.plan_size(Plan(exact=True, clauses=(clause,), certificate=None, fingerprint=""))


def test_a_filter_of_another_catalogue_is_refused() -> None:
    with pytest.raises(ValueError, match="another catalogue"):
        BitmapIndex.from_people(ONE, []).size(compact(HEAVY))


@pytest.mark.parametrize(
    ("person", "message"),
    [
        ({"d": "a"}, r"people\[3\]\.m: this person lacks the dimension 'm'"),
        ({"d": "a", "m": []}, None),
        ({"d": "aa", "m": []}, r"people\[3\]\.d: 'd' has no such value; expected perhaps a; one of a, b"),
        ({"d": "a", "m": ["c", "x"]}, r"people\[3\]\.m: 'm' has no such value; expected one of c"),
        ({"d": "a", "m": "c"}, r"people\[3\]\.m: 'm' is multi-valued; expected a collection of value ids"),
        ({"d": ["a"], "m": []}, r"people\[3\]\.d: 'd' is single-valued; expected the id of one value"),
        ({"d": None, "m": [["c"]]}, r"people\[3\]\.d: 'd' is single-valued; .* \(and 1 more\)"),
    ],
)
def test_a_person_at_fault_is_pointed_at(person: Any, message: str | None) -> None:  # noqa: ANN401
    kinds = [{"id": "d", "kind": "single", "values": [{"id": "a"}, {"id": "b"}]}]
    catalog = catalogue(*kinds, {"id": "m", "kind": "multi", "values": [{"id": "c"}]})
    people: list[Person] = [{"d": "a", "m": ["c"]}] * 3 + [person]
    if message is None:
        assert BitmapIndex.from_people(catalog, people).rows == 4
    else:
        with pytest.raises(PersonError, match=message):
            BitmapIndex.from_people(catalog, people)


@pytest.mark.parametrize("weight", [-1, LARGEST + 1, 2.0, "3", None])
def test_a_weight_at_fault_is_pointed_at(weight: Any) -> None:  # noqa: ANN401
    with pytest.raises(PersonError, match=r"weights\[1\]: is not a weight; expected an integer from 0 to 900719925474"):
        BitmapIndex.from_people(HEAVY, [{"d": "a"}] * 2, [1, weight])


def test_weights_are_given_exactly_where_the_catalogue_asks() -> None:
    with pytest.raises(ValueError, match="weights must be given"):
        BitmapIndex.from_people(HEAVY, [{"d": "a"}])
    with pytest.raises(ValueError, match="weights cannot be given"):
        BitmapIndex.from_people(ONE, [{"d": "a"}], [1])
    with pytest.raises(ValueError, match="shorter"):
        BitmapIndex.from_people(HEAVY, [{"d": "a"}] * 2, [1])

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core import Catalog, Filter, FilterError, PersonError, Problem, parse_filter
from segmentation_core.documents import MAX_DEPTH
from segmentation_core.filters import MAX_PARTS, parse_choices
from segmentation_core.testing import (
    FullPerson,
    catalogs,
    conjunctive_filter_documents,
    everybody,
    filter_documents,
    filters,
    people,
)

if TYPE_CHECKING:
    from segmentation_core import Dimension

CATALOG = Catalog.from_json(
    json.dumps(
        {
            "name": "small",
            "version": "1",
            "dimensions": [
                {"id": "age", "kind": "single", "ordered": True, "values": [{"id": v} for v in ("old", "mid", "new")]},
                {"id": "style", "kind": "single", "values": [{"id": "a"}, {"id": "b"}]},
                {"id": "owns", "kind": "multi", "values": [{"id": "car"}, {"id": "boat"}, {"id": "1"}]},
            ],
        }
    )
)
EVERYBODY = [*everybody(CATALOG)]


def wanted(document: object) -> list[FullPerson]:
    chosen = parse_filter(document, CATALOG)
    return [person for person in EVERYBODY if chosen.matches(person)]


def problems(document: object, path: str = "$") -> tuple[Problem, ...]:
    with pytest.raises(FilterError) as caught:
        parse_filter(document, CATALOG, path=path)
    return caught.value.problems


def said(document: object) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in problems(document)]


def holds(person: FullPerson, dimension: Dimension, value: str) -> bool:
    return value in person[dimension.id] if dimension.multi else value == person[dimension.id]


def means(document: dict[str, Any], person: FullPerson, catalog: Catalog) -> bool:
    """Say what the design says of a filter document, from the document itself."""
    if "and" in document:
        return all(means(part, person, catalog) for part in document["and"])
    if "or" in document:
        return any(means(part, person, catalog) for part in document["or"])
    if "not" in document:
        return not means(document["not"], person, catalog)
    if "dimension" not in document:
        return all(
            any(holds(person, catalog.dimension[name], value) for value in values)
            for name, values in document.items()
            if values
        )
    dimension = catalog.dimension[document["dimension"]]
    ((operator, operand),) = [item for item in document.items() if item[0] != "dimension"]
    if operator in {"between", "at_least", "at_most"}:
        listed = [value.id for value in dimension.values]
        place = listed.index(str(person[dimension.id]))
        low = listed.index({"between": operand[0], "at_least": operand, "at_most": listed[0]}[operator])
        high = listed.index({"between": operand[-1], "at_least": listed[-1], "at_most": operand}[operator])
        return low <= place <= high
    held = [holds(person, dimension, value) for value in operand]
    return {"in": any(held), "not_in": not any(held), "none": not any(held), "all": all(held)}[operator]


@given(st.data())
def test_a_filter_matches_the_people_that_its_document_means(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=0))
    document = data.draw(filter_documents(catalog))
    chosen = parse_filter(document, catalog)
    for person in everybody(catalog):
        assert chosen.matches(person) == means(document, person, catalog)


@given(st.data())
def test_a_filter_reads_the_same_from_json(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=0))
    document = data.draw(filter_documents(catalog))
    assert (
        parse_filter(json.loads(json.dumps(document)), catalog).expression == parse_filter(document, catalog).expression
    )


@given(st.data())
def test_the_compact_form_is_an_and_of_ins(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=0))
    document = data.draw(conjunctive_filter_documents(catalog))
    full = {"and": [{"dimension": name, "in": values} for name, values in document.items() if values]}
    assert parse_filter(document, catalog).expression == parse_filter(full, catalog).expression
    assert parse_choices(document, catalog).expression == parse_filter(document, catalog).expression


@given(st.data())
def test_what_matches_can_be_asked_of_a_person_who_says_more(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=0))
    chosen, person = data.draw(filters(catalog)), data.draw(people(catalog))
    sets = {name: held if isinstance(held, str) else frozenset(held) for name, held in person.items()}
    assert chosen.matches(sets | {"another": "thing"}) == chosen.matches(person)


@pytest.mark.parametrize(
    ("empty", "everyone"),
    [
        ({}, True),
        ({"age": []}, True),
        ({"age": [], "owns": []}, True),
        ({"and": []}, True),
        ({"or": []}, False),
        ({"not": {"or": []}}, True),
        ({"dimension": "age", "in": []}, False),
        ({"dimension": "owns", "in": []}, False),
        ({"dimension": "age", "not_in": []}, True),
        ({"dimension": "owns", "all": []}, True),
        ({"dimension": "owns", "none": []}, True),
    ],
)
def test_what_empty_lists_mean(empty: dict[str, Any], *, everyone: bool) -> None:
    assert wanted(empty) == (EVERYBODY if everyone else [])


@pytest.mark.parametrize(
    ("condition", "ages"),
    [
        ({"between": ["old", "new"]}, {"old", "mid", "new"}),
        ({"between": ["old", "mid"]}, {"old", "mid"}),
        ({"between": ["mid", "mid"]}, {"mid"}),
        ({"at_least": "mid"}, {"mid", "new"}),
        ({"at_least": "old"}, {"old", "mid", "new"}),
        ({"at_most": "mid"}, {"old", "mid"}),
        ({"at_most": "old"}, {"old"}),
    ],
)
def test_ranges_go_by_the_listed_order_and_include_both_ends(condition: dict[str, Any], ages: set[str]) -> None:
    assert {person["age"] for person in wanted({"dimension": "age"} | condition)} == ages


def test_over_a_multi_dimension_in_is_any_and_not_in_is_none() -> None:
    both = ["car", "boat"]
    assert all(set(person["owns"]) & set(both) for person in wanted({"dimension": "owns", "in": both}))
    assert wanted({"dimension": "owns", "not_in": both}) == wanted({"dimension": "owns", "none": both})
    assert wanted({"dimension": "owns", "all": both}) == [p for p in EVERYBODY if set(both) <= set(p["owns"])]


def test_a_list_may_name_a_value_twice_and_be_a_tuple() -> None:
    assert (
        parse_filter({"age": ("old", "old")}, CATALOG).expression == parse_filter({"age": ["old"]}, CATALOG).expression
    )


def test_every_value_of_a_multi_dimension_is_not_everyone() -> None:
    assert [p for p in EVERYBODY if p not in wanted({"owns": ["car", "boat", "1"]})] == [
        p for p in EVERYBODY if not p["owns"]
    ]


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        ([], "$", "is not a filter"),
        (None, "$", "is not a filter"),
        ("age", "$", "is not a filter"),
        ({"and": {"age": []}}, "$.and", "is not a list"),
        ({"or": "age"}, "$.or", "is not a list"),
        ({"and": [{}, []]}, "$.and[1]", "is not a filter"),
        ({"not": [{}]}, "$.not", "is not a filter"),
        ({"and": [], "or": []}, "$.or", "stands beside 'and', which stands alone"),
        ({"and": [], "age": ["old"]}, "$.age", "stands beside 'and', which stands alone"),
        ({"not": {}, "dimension": "age"}, "$.dimension", "stands beside 'not', which stands alone"),
        ({"or": [], "a b": 1}, '$["a b"]', "stands beside 'or', which stands alone"),
        ({"or": [], 7: 1}, '$["7"]', "stands beside 'or', which stands alone"),
        ({"preset": 17}, "$.preset", "only the service can look up a preset"),
        ({"and": [{"preset": 17, "age": []}]}, "$.and[0].preset", "only the service can look up a preset"),
        ({"agee": ["old"]}, "$.agee", "there is no such dimension"),
        ({"agee": []}, "$.agee", "there is no such dimension"),
        ({3: []}, '$["3"]', "there is no such dimension"),
        ({"age": "old"}, "$.age", "is not a list"),
        ({"age": None}, "$.age", "is not a list"),
        ({"age": {"in": ["old"]}}, "$.age", "is not a list"),
        ({"age": ["old", "older"]}, "$.age[1]", "'age' has no such value"),
        ({"owns": [1]}, "$.owns[0]", "is not a value id"),
        ({"owns": [["car"]]}, "$.owns[0]", "is not a value id"),
        ({"dimension": "age"}, "$", "a condition has exactly one operator"),
        ({"dimension": "age", "in": [], "not_in": []}, "$", "a condition has exactly one operator"),
        ({"dimension": "agee", "in": []}, "$.dimension", "there is no such dimension"),
        ({"dimension": ["age"], "in": []}, "$.dimension", "there is no such dimension"),
        ({"dimension": "age", "is": "old"}, "$.is", "there is no such operator"),
        ({"dimension": "age", 5: "old"}, '$["5"]', "there is no such operator"),
        ({"dimension": "age", "in": "old"}, "$.in", "is not a list"),
        ({"and": [{}, {}, {"dimension": "age", "in": ["x"]}]}, "$.and[2].in[0]", "'age' has no such value"),
        ({"not": {"or": [{"dimension": "age", "not_in": ["x"]}]}}, "$.not.or[0].not_in[0]", "'age' has no such value"),
        ({"dimension": "owns", "all": ["car", "x"]}, "$.all[1]", "'owns' has no such value"),
        ({"dimension": "owns", "none": ["x"]}, "$.none[0]", "'owns' has no such value"),
        ({"dimension": "age", "all": ["old"]}, "$.all", "the operator needs a multi dimension, which 'age' is not"),
        ({"dimension": "age", "none": ["old"]}, "$.none", "the operator needs a multi dimension, which 'age' is not"),
        ({"dimension": "style", "between": ["a", "b"]}, "$.between", "the operator needs an ordered dimension, which 'style' is not"),
        ({"dimension": "style", "at_least": "a"}, "$.at_least", "the operator needs an ordered dimension, which 'style' is not"),
        ({"dimension": "owns", "at_most": "car"}, "$.at_most", "the operator needs an ordered dimension, which 'owns' is not"),
        ({"dimension": "age", "between": "old"}, "$.between", "is not a range"),
        ({"dimension": "age", "between": ["old"]}, "$.between", "is not a range"),
        ({"dimension": "age", "between": ["old", "mid", "new"]}, "$.between", "is not a range"),
        ({"dimension": "age", "between": ["new", "old"]}, "$.between", "the range is reversed"),
        ({"dimension": "age", "between": ["x", "old"]}, "$.between[0]", "'age' has no such value"),
        ({"dimension": "age", "between": ["new", None]}, "$.between[1]", "is not a value id"),
        ({"dimension": "age", "at_least": ["old"]}, "$.at_least", "is not a value id"),
        ({"dimension": "age", "at_least": "x"}, "$.at_least", "'age' has no such value"),
        ({"dimension": "age", "at_most": "x"}, "$.at_most", "'age' has no such value"),
    ],
)  # fmt: skip
def test_a_fault_is_told_at_its_place(document: object, path: str, message: str) -> None:
    assert said(document) == [(path, message)]


def test_all_faults_are_told_together() -> None:
    document = {"and": [{"age": ["x"], "agee": []}, {"dimension": "style", "at_least": "y"}, {"not": 1, "xor": 2}]}
    assert [path for path, _ in said(document)] == [
        "$.and[0].age[0]",
        "$.and[0].agee",
        "$.and[1].at_least",
        "$.and[1].at_least",
        "$.and[2].xor",
        "$.and[2].not",
    ]


@pytest.mark.parametrize(
    ("document", "found", "expected"),
    [
        ({"aeg": ["old"]}, '"aeg"', "perhaps age; one of age, style, owns"),
        ({"age": ["Old"]}, '"Old"', "perhaps old; one of old, mid, new"),
        ({"owns": [1]}, "1", "perhaps 1; one of car, boat, 1"),
        ({"dimension": "age", "atleast": "old"}, '"atleast"', "perhaps at_least; one of in, not_in, all, none, between, at_least, at_most"),
        ({"age": "old"}, '"old"', "a list of value ids"),
        ({"dimension": "age", "between": ["new", "old"]}, '["new","old"]', "the lower end first"),
        (7, "7", "an object"),
    ],
)  # fmt: skip
def test_a_fault_tells_what_was_found_and_the_nearest_name(document: object, found: str, expected: str) -> None:
    (problem,) = problems(document)
    assert (problem.found, problem.expected) == (found, expected)


def test_the_document_may_stand_anywhere() -> None:
    assert [fault.path for fault in problems({"age": ["x"], "not": 1}, path="$.filter")] == [
        "$.filter.age",
        "$.filter.not",
    ]
    assert problems(_nested(MAX_DEPTH + 1), path="$.filter")[0].path == "$.filter"
    assert problems([0] * (MAX_PARTS + 1), path="$.filter")[0].path == "$.filter"


def test_choices_take_the_compact_form_alone_and_unknown_dimensions_without_values() -> None:
    chosen = parse_choices({"age": ["old"], "unknown": [], "owns": []}, CATALOG)
    assert chosen.expression == parse_filter({"age": ["old"]}, CATALOG).expression
    for document, path in [
        ({"unknown": ["x"]}, "$.choices.unknown"),
        ({"and": [{}]}, "$.choices.and"),
        ({"dimension": "age", "in": ["old"]}, "$.choices.dimension"),
        ({"age": "old"}, "$.choices.age"),
        ([], "$.choices"),
        (_nested(MAX_DEPTH + 1), "$.choices"),
    ]:
        with pytest.raises(FilterError) as caught:
            parse_choices(document, CATALOG, path="$.choices")
        assert caught.value.problems[0].path == path


def _nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth - 1):
        document = {"not": document}
    return document


@pytest.mark.requirement(32)
def test_filters_nest_32_deep_and_no_deeper() -> None:
    assert wanted(_nested(MAX_DEPTH)) == []
    for depth in (MAX_DEPTH + 1, 10_000):
        assert said(_nested(depth)) == [("$", "is nested more than 32 deep")]


@pytest.mark.requirement(32)
def test_a_filter_has_a_bounded_number_of_parts() -> None:
    values = ["old"] * (MAX_PARTS - 2)
    assert {person["age"] for person in wanted({"age": values})} == {"old"}
    assert said({"age": [*values, "old"]}) == [("$", "is made of more than 20000 parts")]
    assert said({"and": [{"age": values[:9_999]}, {"age": values[:9_999]}]}) == [
        ("$", "is made of more than 20000 parts")
    ]


def test_the_bounds_hold_for_documents_that_contain_themselves() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert said({"and": endless}) == [("$", "is nested more than 32 deep")]
    doubling: dict[str, Any] = {}
    for _ in range(15):
        doubling = {"and": [doubling, doubling]}
    assert said(doubling) == [("$", "is made of more than 20000 parts")]


def test_faults_past_those_that_are_listed_cost_no_search_for_names() -> None:
    values = [{"id": f"value {i}"} for i in range(1_000)]
    dimension = {"id": "large", "kind": "single", "values": values}
    catalog = Catalog.from_json(json.dumps({"name": "large", "version": "1", "dimensions": [dimension]}))
    start = time.perf_counter()
    with pytest.raises(FilterError) as caught:
        parse_filter({"large": [f"volue {i}" for i in range(15_000)]}, catalog)
    assert time.perf_counter() - start < 5
    assert caught.value.unlisted == 15_000 - 50
    assert all(problem.expected for problem in caught.value.problems)


GARBAGE = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.binary(max_size=3),
        st.text(st.characters(), max_size=5),
        st.sampled_from(["age", "owns", "style", "old", "car", "and", "or", "dimension", "preset", "at_least"]),
    ),
    lambda parts: st.one_of(
        st.lists(parts, max_size=4),
        st.tuples(parts, parts),
        st.dictionaries(
            st.one_of(
                st.sampled_from(
                    ["and", "or", "not", "dimension", "preset", "in", "all", "between", "at_most", "age", "owns"]
                ),
                st.text(st.characters(), max_size=3),
                st.integers() | st.none(),
            ),
            parts,
            max_size=3,
        ),
    ),
)


@given(GARBAGE)
def test_garbage_is_read_or_refused_with_the_place_of_every_fault(document: object) -> None:
    for parse in (parse_filter, parse_choices):
        try:
            read = parse(document, CATALOG)
        except FilterError as error:
            assert all(problem.path.startswith("$") for problem in error.problems)
            assert all(problem.found is not None for problem in error.problems)
        else:
            assert isinstance(read.matches(EVERYBODY[0]), bool)


def test_a_number_too_long_to_print_is_a_fault_like_another() -> None:
    long = 10**5000
    documents: list[object] = [{"age": [long]}, {long: []}, {"dimension": "age", long: 1}, {"and": [], long: 1}, long]
    for document in documents:
        assert problems(document)[0].path.startswith("$")


@given(st.data())
def test_a_filter_with_any_word_misspelt_is_refused(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=0))
    document = data.draw(filter_documents(catalog).filter(_words))
    word = data.draw(st.sampled_from(_words(document)))
    with pytest.raises(FilterError):
        parse_filter(_renamed(document, word, "unheard-of"), catalog)


def _words(part: object) -> list[str]:
    if isinstance(part, dict):
        return [*part, *(word for value in part.values() for word in _words(value))]
    if isinstance(part, list):
        return [word for value in part for word in _words(value)]
    return [part] if isinstance(part, str) else []


def _renamed(part: Any, word: str, other: str) -> Any:  # noqa: ANN401
    if isinstance(part, dict):
        return {other if key == word else key: _renamed(value, word, other) for key, value in part.items()}
    if isinstance(part, list):
        return [_renamed(value, word, other) for value in part]
    return other if part == word else part


@pytest.mark.parametrize(
    ("person", "path", "message"),
    [
        ({}, "$.age", "the filter asks about 'age', which this person lacks"),
        ({"age": "old"}, "$.owns", "the filter asks about 'owns', which this person lacks"),
        ({"age": "x", "owns": []}, "$.age", "'age' has no such value"),
        ({"age": ["old"], "owns": []}, "$.age", "'age' is single-valued"),
        ({"age": None, "owns": []}, "$.age", "'age' is single-valued"),
        ({"age": "old", "owns": "car"}, "$.owns", "'owns' is multi-valued"),
        ({"age": "old", "owns": None}, "$.owns", "'owns' is multi-valued"),
        ({"age": "old", "owns": 5}, "$.owns", "'owns' is multi-valued"),
        ({"age": "old", "owns": iter(["car"])}, "$.owns", "'owns' is multi-valued"),
        ({"age": "old", "owns": ["car", "x"]}, "$.owns", "'owns' has no such value"),
        ({"age": "old", "owns": [["car"]]}, "$.owns", "'owns' has no such value"),
        ({"age": "old", "owns": [1]}, "$.owns", "'owns' has no such value"),
    ],
)
def test_a_person_whom_the_filter_cannot_be_asked_about_is_an_error(
    person: dict[str, Any], path: str, message: str
) -> None:
    chosen = parse_filter({"and": [{"owns": ["car"]}, {"age": ["old"]}]}, CATALOG)
    with pytest.raises(PersonError) as caught:
        chosen.matches(person)
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [(path, message)]


def test_only_what_the_filter_asks_about_is_asked_of_a_person() -> None:
    assert parse_filter({"age": ["old"]}, CATALOG).matches({"age": "old", "owns": "nonsense", "other": "x"})
    assert parse_filter({}, CATALOG).matches({})


def test_whether_a_person_can_be_asked_does_not_depend_on_the_answer() -> None:
    chosen = parse_filter({"or": [{"age": ["old"]}, {"style": ["a"]}]}, CATALOG)
    with pytest.raises(PersonError, match="style"):
        chosen.matches({"age": "old"})


def test_filters_are_values_of_their_own() -> None:
    one = parse_filter({"age": ["old"]}, CATALOG)
    assert isinstance(one, Filter)
    assert one.region is one.region
    assert one != parse_filter({"age": ["old"]}, CATALOG)

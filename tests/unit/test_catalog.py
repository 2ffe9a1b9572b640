from __future__ import annotations

import json
from copy import deepcopy
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core import Catalog, CatalogError, DocumentError, Problem, Segment, Trace, Weight, catalog_file
from segmentation_core.catalog_file import RESERVED
from segmentation_core.testing import catalog_documents, catalogs
from tests.unit.brute import is_on, those

Document = dict[str, Any]

EXAMPLE = """
{
  "name": "demo", "version": "3",
  "weight": {"column": "devices", "unit": "device"},
  "dimensions": [
    {"id": "income", "label": "Household income", "group": "Socio-economic", "kind": "single", "ordered": true,
     "column": "income",
     "values": [{"id": "No", "label": "Unknown", "code": 0}, {"id": "1", "label": "40,000 - 80,000", "code": 1},
                {"id": "2", "label": "80,000 - 130,000", "code": 2}]},
    {"id": "lifestyle", "kind": "single", "values": [{"id": "a"}, {"id": "b"}]},
    {"id": "automobile", "label": "Cars owned", "group": "Automobile", "kind": "multi",
     "values": [{"id": "automobile_1", "label": "Entry hatch", "column": "automobile_1"},
                {"id": "automobile_2", "label": "Sedan", "column": "automobile_2"}]},
    {"id": "city_name", "label": "City", "kind": "single", "column": "city_name", "activation": "direct",
     "values": [{"id": "Pune", "label": "Pune"}, {"id": "Surat", "label": "Surat"}]}
  ],
  "segments": [
    {"id": "income_lifestyle_group_{income}.{lifestyle}", "for_each": ["income", "lifestyle"]},
    {"id": "income_{income}", "for_each": ["income"], "except": {"income": ["No"]}},
    {"id": "automobile_{automobile}_yes", "for_each": ["automobile"]},
    {"id": "automobile_{automobile}_no", "for_each": ["automobile"], "absent": true},
    {"id": "vip_uploaded_2026", "where": {"income": ["1", "2"], "automobile": {"has": "automobile_2"}}, "external_ids": {"meta": "23851"}}
  ]
}
"""

PLAIN: Document = {
    "name": "plain",
    "version": "1",
    "dimensions": [
        {"id": "age", "kind": "single", "ordered": True, "values": [{"id": "young"}, {"id": "middle"}, {"id": "old"}]},
        {"id": "owns", "kind": "multi", "values": [{"id": "car"}, {"id": "boat"}]},
        {"id": "city", "kind": "single", "activation": "direct", "values": [{"id": "Pune"}, {"id": "Surat"}]},
    ],
    "segments": [{"id": "age {age}", "for_each": ["age"]}],
}


def read(document: Document) -> Catalog:
    return Catalog.from_json(json.dumps(document))


def changed(path: str, value: object) -> Document:
    """Return the plain catalogue with another value at a path such as `dimensions.0.id`."""
    document = deepcopy(PLAIN)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    part: Any = document
    for step in steps:
        part = part[step]
    part[last] = value
    return document


def with_segments(*segments: Document) -> Document:
    return changed("segments", list(segments))


def problems(document: Document) -> tuple[Problem, ...]:
    with pytest.raises(CatalogError) as caught:
        read(document)
    return caught.value.problems


def problem(document: Document) -> tuple[str, str]:
    (only,) = problems(document)
    return only.path, only.message


def segment(entry: Document) -> Segment:
    (only,) = read(with_segments(entry)).segments
    return only


def test_the_example_of_the_design_is_read() -> None:
    catalog = Catalog.from_json(EXAMPLE)
    assert (catalog.name, catalog.version, catalog.weight) == ("demo", "3", Weight("devices", "device"))
    assert [*catalog.dimension] == ["income", "lifestyle", "automobile", "city_name"]
    assert catalog.dimension["income"].positions == {"No": 0, "1": 1, "2": 2}
    assert [value.code for value in catalog.dimension["income"].values] == [0, 1, 2]
    assert [dimension.multi for dimension in catalog.dimensions] == [False, False, True, False]
    assert [dimension.direct for dimension in catalog.dimensions] == [False, False, False, True]
    assert [*catalog.segment] == [
        *(f"income_lifestyle_group_{income}.{style}" for income in ("No", "1", "2") for style in ("a", "b")),
        *("income_1", "income_2"),
        *("automobile_automobile_1_yes", "automobile_automobile_2_yes"),
        *("automobile_automobile_1_no", "automobile_automobile_2_no"),
        "vip_uploaded_2026",
    ]
    assert catalog.segment["income_lifestyle_group_1.b"].traces == (Trace("income", ("1",)), Trace("lifestyle", ("b",)))
    assert catalog.segment["automobile_automobile_1_no"].traces == (
        Trace("automobile", ("automobile_1",), absent=True),
    )
    assert catalog.segment["vip_uploaded_2026"] == Segment(
        "vip_uploaded_2026",
        (Trace("income", ("1", "2")), Trace("automobile", ("automobile_2",))),
        {"meta": "23851"},
    )
    assert catalog.warnings == ()
    assert catalog.document == json.loads(EXAMPLE)


@given(catalog_documents())
def test_every_catalogue_drawn_is_read_and_kept(document: Document) -> None:
    catalog = read(document)
    assert catalog.document == document
    assert [dimension.id for dimension in catalog.dimensions] == [entry["id"] for entry in document["dimensions"]]
    assert Catalog.from_json(json.dumps(document, ensure_ascii=False).encode()).segments == catalog.segments


@given(catalogs())
def test_two_segments_warn_of_each_other_exactly_if_they_are_the_same_people(catalog: Catalog) -> None:
    seen: list[int] = []
    same: list[str] = []
    for name, listed in catalog.segment.items():
        on_it = those(catalog, lambda person, listed=listed: is_on(listed, person))  # type: ignore[misc]
        if on_it in seen:
            same.append(name)
        seen.append(on_it)
    assert [warning.found for warning in catalog.warnings] == same


def test_catalogues_are_the_same_only_if_they_are_one_object() -> None:
    first, second = read(PLAIN), read(PLAIN)
    assert first != second
    assert len({first, second, first}) == 2


def test_text_that_is_no_json_is_a_document_error() -> None:
    with pytest.raises(DocumentError):
        Catalog.from_json("{")
    with pytest.raises(DocumentError):
        Catalog.from_json(b"\xff")


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("name", 1, "$.name"),
        ("version", None, "$.version"),
        ("dimensions", {}, "$.dimensions"),
        ("weight", {"unit": "device"}, "$.weight"),
        ("dimensions.0.kind", "double", "$.dimensions[0].kind"),
        ("dimensions.0.values.1", {"id": 1}, "$.dimensions[0].values[1].id"),
        ("dimensions.0.values.1", {"label": "x"}, "$.dimensions[0].values[1]"),
        ("dimensions.1.colour", "red", "$.dimensions[1]"),
        ("dimensions.2.activation", "indirect", "$.dimensions[2].activation"),
        ("segments.0.for_each", "age", "$.segments[0].for_each"),
        ("segments.0.where", [], "$.segments[0].where"),
        ("segments.0.absent", 1, "$.segments[0].absent"),
        ("a - at b", "red", "$"),
    ],
)
def test_what_has_not_the_documented_form_is_a_fault_at_its_place(path: str, value: object, place: str) -> None:
    assert problem(changed(path, value))[0] == place


def test_what_is_no_object_is_a_fault() -> None:
    for text in ("[]", "1", "null", '"x"'):
        with pytest.raises(CatalogError, match=r"\$: Expected `object`"):
            Catalog.from_json(text)


@pytest.mark.parametrize(
    ("path", "value", "place", "message"),
    [
        ("dimensions.1.id", "age", "$.dimensions[1].id", "a dimension 'age' is there already"),
        ("dimensions.1.id", "", "$.dimensions[1].id", "a dimension cannot be called so"),
        ("dimensions.1.values.1", {"id": "car", "column": "boat"}, "$.dimensions[1].values[1].id", "a value 'car' is there already"),
        ("dimensions.2.values.0.id", "", "$.dimensions[2].values[0].id", "is empty"),
        ("dimensions.2.values", [], "$.dimensions[2].values", "a dimension has at least one value"),
        ("dimensions.0.values.1.code", "young", "$.dimensions[0].values[1].code", "the code 'young' stands for another value already"),
        ("dimensions.0.values.1.column", "x", "$.dimensions[0].values[1].column", "a single dimension has one column, not one for each value"),
        ("dimensions.0.other", "ancient", "$.dimensions[0].other", "'age' has no such value"),
        ("dimensions.1.ordered", True, "$.dimensions[1].ordered", "only a single dimension can be ordered"),
        ("dimensions.1.other", "car", "$.dimensions[1].other", "only a single dimension has a value that takes the rest"),
        ("dimensions.1.column", "x", "$.dimensions[1].column", "a multi dimension has one column for each value"),
        ("dimensions.1.values.1.column", "car", "$.dimensions[1].values[1].column", "the column 'car' says another value already"),
        ("dimensions.1.values.0.code", 0, "$.dimensions[1].values[0].code", "a value of a multi dimension has no code"),
    ],
)  # fmt: skip
def test_a_dimension_that_breaks_a_rule_is_a_fault_at_its_place(
    path: str, value: object, place: str, message: str
) -> None:
    assert problem(changed(path, value)) == (place, message)


@pytest.mark.parametrize("word", RESERVED)
def test_no_dimension_is_called_as_the_filter_language_calls_its_parts(word: str) -> None:
    (fault,) = problems(changed("dimensions.2.id", word))
    assert (fault.path, fault.found) == ("$.dimensions[2].id", f'"{word}"')


def test_a_catalogue_has_a_dimension() -> None:
    assert problem({"name": "x", "version": "1", "dimensions": []}) == (
        "$.dimensions",
        "a catalogue has at least one dimension",
    )


def test_codes_that_read_alike_are_one_code() -> None:
    document = changed("dimensions.0.values.0.code", 1)
    document["dimensions"][0]["values"][1]["code"] = "1"
    assert problem(document)[0] == "$.dimensions[0].values[1].code"


@pytest.mark.parametrize(
    ("entry", "place", "message"),
    [
        ({"id": "", "where": {}}, "id", "is empty"),
        ({"id": "x", "where": {"agee": "old"}}, "where.agee", "there is no such dimension"),
        ({"id": "x", "where": {"city": "Pune"}}, "where.city", "the platform targets 'city' directly, so no list can speak of it"),
        ({"id": "x", "where": {"age": "ancient"}}, "where.age", "'age' has no such value"),
        ({"id": "x", "where": {"age": ["old", "ancient"]}}, "where.age[1]", "'age' has no such value"),
        ({"id": "x", "where": {"age": []}}, "where.age", "a segment of nobody"),
        ({"id": "x", "where": {"age": {"has": "old"}}}, "where.age", "'age' is single-valued"),
        ({"id": "x", "where": {"age": 3}}, "where.age", "'age' is single-valued"),
        ({"id": "x", "where": {"owns": "car"}}, "where.owns", "'owns' is multi-valued"),
        ({"id": "x", "where": {"owns": ["car"]}}, "where.owns", "'owns' is multi-valued"),
        ({"id": "x", "where": {"owns": {"has": "car", "lacks": "boat"}}}, "where.owns", "'owns' is multi-valued"),
        ({"id": "x", "where": {"owns": {}}}, "where.owns", "'owns' is multi-valued"),
        ({"id": "x", "where": {"owns": {"lacks": "plane"}}}, "where.owns", "'owns' has no such value"),
        ({"id": "{agee}", "for_each": ["agee"]}, "for_each[0]", "there is no such dimension"),
        ({"id": "{agee}", "for_each": ["agee"], "except": {"agee": ["old"]}}, "for_each[0]", "there is no such dimension"),
        ({"id": "{city}", "for_each": ["city"]}, "for_each[0]", "the platform targets 'city' directly, so no list can speak of it"),
        ({"id": "{age}{age}", "for_each": ["age", "age"]}, "for_each", "names a dimension twice"),
        ({"id": "{age}", "for_each": ["age"], "where": {"age": "old"}}, "where.age", "the family already goes through this dimension"),
        ({"id": "{age}", "for_each": ["age"], "absent": True}, "absent", "there is no multi dimension in for_each to be absent from"),
        ({"id": "x", "absent": True}, "absent", "there is no multi dimension in for_each to be absent from"),
        ({"id": "{age}", "for_each": ["age"], "except": {"owns": ["car"]}}, "except.owns", "is not a dimension of this family"),
        ({"id": "{age}", "for_each": ["age"], "except": {"age": ["old", "ancient"]}}, "except.age[1]", "'age' has no such value"),
        ({"id": "{owns}", "for_each": ["age"]}, "id", None),
        ({"id": "x", "for_each": ["age"]}, "id", "without {age} the ids of the family are not distinct"),
        ({"id": "{age}"}, "id", "{age} is not in for_each"),
        ({"id": "{age}{}", "for_each": ["age"]}, "id", "{} is not in for_each"),
        ({"id": "{age}{age!r}", "for_each": ["age"]}, "id", "{age!r} is not in for_each"),
        ({"id": "{age}{age:>9}", "for_each": ["age"]}, "id", "{age:>9} is not in for_each"),
        ({"id": "{age}{age.x}", "for_each": ["age"]}, "id", "{age.x} is not in for_each"),
        ({"id": "{age", "for_each": ["age"]}, "id", "is no template: expected '}' before end of string"),
        ({"id": "}{age}", "for_each": ["age"]}, "id", "is no template: Single '}' encountered in format string"),
        ({"id": "x", "external_ids": {"meta": "{age}"}}, "external_ids.meta", "{age} is not in for_each"),
        ({"id": "x", "external_ids": {"the desk": "{"}}, 'external_ids["the desk"]', "is no template: Single '{' encountered in format string"),
        ({"id": "{age}", "for_each": ["age"], "external_ids": {"meta": "{owns}"}}, "external_ids.meta", "{owns} is not in for_each"),
    ],
)  # fmt: skip
def test_a_segment_that_breaks_a_rule_is_a_fault_at_its_place(entry: Document, place: str, message: str | None) -> None:
    found = [(fault.path, fault.message) for fault in problems(with_segments({"id": "first"}, entry))]
    step = "" if place.startswith("[") else "."
    assert {path for path, _ in found} == {f"$.segments[1]{step}{place}"}
    if message is not None:
        assert [told for _, told in found] == [message]


def test_a_fault_tells_what_was_found_and_the_nearest_name() -> None:
    (fault,) = problems(with_segments({"id": "x", "where": {"age": "Old"}}))
    assert (fault.found, fault.expected) == ('"Old"', "perhaps old; one of young, middle, old")
    (fault,) = problems(with_segments({"id": "x", "where": {"aeg": "old"}}))
    assert (fault.found, fault.expected) == ('"aeg"', "perhaps age; one of age, owns, city")
    (fault,) = problems(with_segments({"id": "{age}{aeg}", "for_each": ["age"]}))
    assert (fault.found, fault.expected) == ('"{age}{aeg}"', "perhaps age; one of age")


def test_all_faults_are_told_together() -> None:
    document = changed("dimensions.1.ordered", value=True)
    document["dimensions"][2]["values"] = []
    document["segments"] = [{"id": "{age", "for_each": ["agee"]}, {"id": "x", "where": {"age": "ancient", "owns": []}}]
    assert [fault.path for fault in problems(document)] == [
        "$.dimensions[1].ordered",
        "$.dimensions[2].values",
        "$.segments[0].for_each[0]",
        "$.segments[0].id",
        "$.segments[1].where.age",
        "$.segments[1].where.owns",
    ]


@pytest.mark.parametrize(
    "entries",
    [
        [{"id": "x"}, {"id": "x", "where": {"age": "old"}}],
        [{"id": "age old"}, {"id": "age {age}", "for_each": ["age"]}],
    ],
)
def test_no_two_segments_have_one_id(entries: list[Document]) -> None:
    path, message = problem(with_segments(*entries))
    assert path == "$.segments[1].id"
    assert message == f"a segment {entries[0]['id']!r} is there already"


def test_the_ids_of_a_family_over_two_dimensions_must_differ() -> None:
    document = with_segments({"id": "{age}{owns}", "for_each": ["age", "owns"]})
    document["dimensions"][0]["values"] = [{"id": "1"}, {"id": "11"}]
    document["dimensions"][1]["values"] = [{"id": "1"}, {"id": "11"}]
    assert problem(document) == ("$.segments[0].id", "a segment '111' is there already")


def test_segments_of_the_same_people_are_allowed_with_a_warning() -> None:
    catalog = read(
        with_segments(
            {"id": "a", "where": {"age": ["old", "young"], "owns": {"has": "car"}}},
            {"id": "b", "where": {"owns": {"has": "car"}, "age": ["young", "old", "old"]}},
            {"id": "c", "where": {"owns": {"lacks": "car"}}},
            {"id": "all"},
            {"id": "everyone", "where": {"age": ["young", "middle", "old"]}},
        )
    )
    assert [(warning.path, warning.message) for warning in catalog.warnings] == [
        ("$.segments", "'b' means the same people as 'a'"),
        ("$.segments", "'everyone' means the same people as 'all'"),
    ]


def test_a_family_has_a_segment_for_each_combination_not_left_out() -> None:
    entry = {
        "id": "{owns}:{age}",
        "for_each": ["age", "owns"],
        "except": {"age": ["old"]},
        "external_ids": {"meta": "{{{age}}} {owns}"},
    }
    catalog = read(with_segments(entry))
    assert [(one.id, one.traces, one.external_ids) for one in catalog.segments] == [
        (f"{owns}:{age}", (Trace("age", (age,)), Trace("owns", (owns,))), {"meta": f"{{{age}}} {owns}"})
        for age, owns in product(("young", "middle"), ("car", "boat"))
    ]


def test_a_family_with_all_values_left_out_has_no_segments() -> None:
    entry = {"id": "{owns}", "for_each": ["owns"], "except": {"owns": ["car", "boat"]}}
    assert read(with_segments(entry)).segments == ()


def test_absent_speaks_of_the_multi_dimensions_of_a_family() -> None:
    catalog = read(with_segments({"id": "{age}{owns}", "for_each": ["age", "owns"], "absent": True}))
    assert catalog.segment["oldcar"].traces == (Trace("age", ("old",)), Trace("owns", ("car",), absent=True))


def test_a_family_can_be_limited_by_where() -> None:
    catalog = read(with_segments({"id": "{owns}", "for_each": ["owns"], "where": {"age": "old"}}))
    assert catalog.segment["car"].traces == (Trace("age", ("old",)), Trace("owns", ("car",)))


def test_a_trace_holds_its_values_once_in_the_listed_order() -> None:
    assert segment({"id": "x", "where": {"age": ["old", "young", "old"]}}).traces == (Trace("age", ("young", "old")),)
    assert segment({"id": "x", "where": {"age": "old"}}).traces == (Trace("age", ("old",)),)
    assert segment({"id": "x", "where": {"owns": {"lacks": "car"}}}).traces == (Trace("owns", ("car",), absent=True),)


def test_doubled_braces_are_braces() -> None:
    assert segment({"id": "{{x}}", "external_ids": {"meta": "}}{{"}}) == Segment("{x}", (), {"meta": "}{"})


@pytest.mark.parametrize("name", ["a:b", "a!b", "a.b", "0", "é", "a b", "a[0]", "a!r:b"])
def test_a_template_names_dimensions_of_any_characters_but_braces(name: str) -> None:
    document = changed("dimensions.0.id", name)
    document["segments"] = [{"id": f"x{{{name}}}", "for_each": [name]}]
    assert [*read(document).segment] == ["xyoung", "xmiddle", "xold"]


def test_the_families_come_to_a_bounded_number_of_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_file, "MAX_SEGMENTS", 6)
    family = {"id": "{age}{owns}", "for_each": ["age", "owns"]}
    assert len(read(with_segments(family)).segments) == 6
    assert problem(with_segments({"id": "x"}, family)) == ("$.segments[1]", "the segments come to more than 6")


def test_the_bound_on_segments_holds_before_any_is_written_out() -> None:
    names = [f"d{i}" for i in range(9)]
    document = {
        "name": "wide",
        "version": "1",
        "dimensions": [
            {"id": name, "kind": "single", "values": [{"id": str(i)} for i in range(100)]} for name in names
        ],
        "segments": [{"id": ".".join(f"{{{name}}}" for name in names), "for_each": names}],
    }
    assert problem(document) == ("$.segments[0]", "the segments come to more than 200000")


@given(st.data())
def test_a_catalogue_with_any_part_replaced_is_read_or_refused(data: st.DataObject) -> None:
    document = json.loads(EXAMPLE)
    part: Any = document
    while True:
        step = data.draw(st.sampled_from([*part] if isinstance(part, dict) else range(len(part))))
        if not isinstance(part[step], dict | list) or not part[step] or data.draw(st.booleans()):
            break
        part = part[step]
    part[step] = data.draw(
        st.sampled_from(
            ["", "x", "income", "{", "{income}", 0, True, None, [], {}, ["1"], {"has": "1"}, {"x": ["1"]}, 10**30]
        )
    )
    try:
        read(document)
    except CatalogError as error:
        assert all(fault.path.startswith("$") for fault in error.problems)


def test_lists_that_link_more_than_can_be_planned_are_a_fault_of_the_catalogue() -> None:
    names = [f"d{i}" for i in range(6)]
    dimensions = [{"id": n, "kind": "single", "values": [{"id": f"v{i}"} for i in range(10)]} for n in names]
    document = {
        "name": "linked",
        "version": "1",
        "dimensions": dimensions,
        "segments": [{"id": "all", "where": dict.fromkeys(names, "v0")}],
    }
    with pytest.raises(CatalogError, match=r"the lists link d0, d1, .* into 1000000 combinations") as raised:
        Catalog.from_json(json.dumps(document))
    assert raised.value.problems[0].path == "$.segments"

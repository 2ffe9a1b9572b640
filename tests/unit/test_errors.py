from __future__ import annotations

import inspect
import pickle
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core import errors
from segmentation_core.errors import (
    MOST_PROBLEMS,
    CatalogError,
    DocumentError,
    FilterError,
    InputError,
    Problem,
    SegmentationError,
    excerpt,
    nearest,
    one_of,
)

NAMES = ["income", "lifestyle", "automobile", "Automobile", "city_name"]


def test_the_hierarchy_is_the_tree_drawn_in_the_docstring() -> None:
    drawn: dict[str, str] = {}
    line_of: list[str] = []
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        if found := re.match(r" {4}([│ ]*)(?:[├└]── )?(\w+)", line):
            depth = (found.start(2) - 4) // 4
            line_of[depth:] = [found[2]]
            drawn[found[2]] = line_of[depth - 1] if depth else "Exception"
    classes = [thing for _, thing in inspect.getmembers(errors, inspect.isclass) if issubclass(thing, Exception)]
    assert drawn == {error.__name__: error.__base__.__name__ for error in classes if error.__base__}
    assert len(drawn) > 15


def test_every_error_of_the_core_is_caught_by_its_root() -> None:
    for _, error in inspect.getmembers(errors, inspect.isclass):
        if issubclass(error, Exception):
            assert issubclass(error, SegmentationError)


def test_what_kind_of_input_is_at_fault_stands_first() -> None:
    subjects = {error.subject for error in InputError.__subclasses__()}
    assert len(subjects) == len(InputError.__subclasses__()), "two kinds of input are called the same"
    assert str(CatalogError(Problem("$.name", "is missing"))) == "catalogue: $.name: is missing"


def test_a_problem_tells_its_place_then_what_is_wrong_then_what_may_stand_there() -> None:
    assert str(Problem("$.a[0]", "is wrong")) == "$.a[0]: is wrong"
    assert str(Problem("$.a[0]", "is wrong", '"x"', "perhaps y")) == "$.a[0]: is wrong; expected perhaps y"


def test_a_problem_is_its_own_wire_shape() -> None:
    assert msgspec.to_builtins(Problem("$", "is wrong")) == {"path": "$", "message": "is wrong"}
    whole = {"path": "$", "message": "is wrong", "found": "1", "expected": "2"}
    assert msgspec.to_builtins(Problem(**whole)) == whole


@given(st.integers(1, 3 * MOST_PROBLEMS))
def test_an_error_lists_the_first_50_problems_and_counts_the_rest(count: int) -> None:
    problems = [Problem(f"$[{i}]", "is wrong") for i in range(count)]
    error = FilterError(iter(problems))
    assert error.problems == tuple(problems[:50])
    assert error.unlisted == max(0, count - 50)
    assert str(error) == "filter: $[0]: is wrong" + (f" (and {count - 1} more)" if count > 1 else "")


def test_one_problem_needs_no_list() -> None:
    error = DocumentError(Problem("$", "is wrong"))
    assert (error.problems, error.unlisted) == ((Problem("$", "is wrong"),), 0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("income", "income"),
        ("incme", "income"),
        ("INCOME", "income"),
        ("AUTOMOBILE", "automobile"),
        ("city", "city_name"),
        ("xyz", None),
        ("", None),
        (None, None),
        (["income"], "income"),
    ],
)
def test_the_nearest_name_is_the_same_but_for_case_or_else_the_most_alike(name: object, expected: str | None) -> None:
    assert nearest(name, NAMES) == expected


def test_a_number_is_near_its_digits() -> None:
    assert nearest(1, ["10", "1"]) == "1"
    assert nearest(10**5000, ["1"]) is None, "a number too long to print is near nothing"


@given(st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text())), st.lists(st.text()))
def test_the_nearest_name_is_a_known_one(name: object, known: list[str]) -> None:
    assert nearest(name, iter(known)) in {None, *known}
    if name in known:
        guess = nearest(name, known)
        assert guess is not None
        assert guess.casefold() == str(name).casefold()


def test_what_may_stand_there_begins_with_the_nearest_name() -> None:
    assert one_of("incme", iter(NAMES)) == (
        "perhaps income; one of income, lifestyle, automobile, Automobile, city_name"
    )
    assert one_of("x", ["a", "b"], noun="any of") == "any of a, b"


def test_of_many_names_the_first_eight_are_told() -> None:
    names = [f"name {i}" for i in range(10)]
    assert one_of("", names) == f"one of {', '.join(names[:8])}, … (10 in all)"
    assert one_of("", names[:8]) == f"one of {', '.join(names[:8])}"


@given(
    st.recursive(
        st.one_of(st.text(st.characters()), st.integers(), st.floats(), st.binary(), st.builds(object), st.booleans()),
        lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts) | st.tuples(parts),
    )
)
def test_an_excerpt_is_one_short_line(value: object) -> None:
    shown = excerpt(value)
    assert len(shown) <= 120
    assert "\n" not in shown


def test_an_excerpt_is_json_where_that_is_possible() -> None:
    assert excerpt({"a": ["é", 1, None]}) == '{"a":["é",1,null]}'
    assert excerpt("x" * 118) == '"' + "x" * 118 + '"'
    assert excerpt("x" * 119) == '"' + "x" * 118 + "…"
    assert excerpt(object()) == "<class 'object'>"
    assert excerpt("\ud800") == "<class 'str'>"
    assert excerpt(10**5000) == "<class 'int'>"


def test_an_excerpt_of_what_is_endless_is_its_type() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert excerpt(endless) == "<class 'list'>"


def test_an_input_error_travels_between_processes_whole() -> None:
    error = FilterError([Problem("$", f"fault {i}") for i in range(60)])
    error.place = "filters.jsonl, line 3"
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert (type(copy), copy.problems, copy.unlisted, copy.place) == (FilterError, error.problems, 10, error.place)

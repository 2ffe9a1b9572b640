from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from segmentation_core.expressions import And, Expression, HasAll, HasAny, HasNone, Not, Or, conditions, matches

VALUES = ("a", "b", "c")
NAMES = ("x", "y")

held_by_somebody = st.fixed_dictionaries({name: st.sets(st.sampled_from(VALUES)) for name in NAMES})
some_values = st.lists(st.sampled_from(VALUES)).map(tuple)
single_conditions: st.SearchStrategy[Expression] = st.one_of(
    *(st.builds(of, st.sampled_from(NAMES), some_values) for of in (HasAny, HasAll, HasNone))
)
expressions: st.SearchStrategy[Expression] = st.recursive(
    single_conditions,
    lambda parts: st.one_of(
        st.lists(parts, max_size=3).map(lambda some: And(tuple(some))),
        st.lists(parts, max_size=3).map(lambda some: Or(tuple(some))),
        parts.map(Not),
    ),
)


@given(some_values, held_by_somebody)
def test_a_condition_asks_how_many_of_its_values_are_held(values: tuple[str, ...], held: dict[str, set[str]]) -> None:
    shared = set(values) & held["x"]
    assert matches(HasAny("x", values), held) == (len(shared) > 0)
    assert matches(HasAll("x", values), held) == (shared == set(values))
    assert matches(HasNone("x", values), held) == (len(shared) == 0)


@given(st.lists(expressions, max_size=3).map(tuple), held_by_somebody)
def test_and_or_and_not_are_those_of_logic(parts: tuple[Expression, ...], held: dict[str, set[str]]) -> None:
    truths = [matches(part, held) for part in parts]
    assert matches(And(parts), held) == (False not in truths)
    assert matches(Or(parts), held) == (True in truths)
    assert [matches(Not(part), held) for part in parts] == [not truth for truth in truths]


def test_no_parts_of_and_are_everyone_and_of_or_nobody() -> None:
    assert matches(And(()), {})
    assert not matches(Or(()), {})
    assert matches(HasAll("x", ()), {"x": ()})
    assert matches(HasNone("x", ()), {"x": ("a",)})
    assert not matches(HasAny("x", ()), {"x": ("a",)})


@given(expressions, held_by_somebody, st.sets(st.sampled_from(VALUES)))
def test_only_the_dimensions_of_the_conditions_matter(
    expression: Expression, held: dict[str, set[str]], other: set[str]
) -> None:
    asked = {condition.dimension for condition in conditions(expression)}
    changed = {name: values if name in asked else other for name, values in held.items()}
    assert matches(expression, changed) == matches(expression, held)


def test_conditions_stand_from_left_to_right() -> None:
    first, second, third = HasAny("x", ("a",)), HasAll("y", ("b",)), HasNone("x", ("c",))
    assert [*conditions(And((first, Or((Not(second), third)), And(()))))] == [first, second, third]

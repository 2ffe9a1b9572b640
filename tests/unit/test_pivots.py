from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core.planning import covers
from segmentation_core.planning.factors import Factor
from segmentation_core.planning.pivots import Share, guard, pivot, reach
from tests.unit.brute import subsets, union

STATES = 5

factors = st.lists(st.integers(1, (1 << STATES) - 1), max_size=6).flatmap(
    lambda traces: st.permutations("abcdef"[: len(traces)]).map(
        lambda names: Factor((0,), STATES, dict(zip(names, traces, strict=True)))
    )
)
states = st.integers(1, (1 << STATES) - 1)


def choices(factor: Factor) -> list[tuple[tuple[str, ...], int]]:
    return [(names, union(factor.lists[name] for name in names)) for names in subsets(sorted(factor.lists))]


def first_pivot(factor: Factor, wanted: int) -> Share | None:
    """Try every choice of lists to include and to exclude."""
    exact = [
        Share(len(include) + len(exclude), include, exclude, len(include) + len(exclude))
        for (include, inside), (exclude, outside) in product(choices(factor), choices(factor))
        if inside & ~outside == wanted
    ]
    return min(exact, default=None)


def is_pivot(factor: Factor, wanted: int, share: Share) -> bool:
    inside = union(factor.lists[name] for name in share.include)
    return inside & ~union(factor.lists[name] for name in share.exclude) == wanted


@given(factors, states)
def test_a_guard_is_the_first_of_the_fewest_lists_whose_exclusion_leaves_exactly_the_wanted(
    factor: Factor, wanted: int
) -> None:
    leaving = [names for names, outside in choices(factor) if factor.full & ~outside == wanted]
    found = guard(factor, wanted)
    if not leaving:
        assert found is None
    else:
        assert found == Share(len(leaving[0]), (), leaving[0], len(leaving[0]))


@given(factors, states, states)
def test_a_reach_is_the_first_of_the_fewest_lists_that_reach_the_wanted_and_nobody_avoided(
    factor: Factor, wanted: int, avoided: int
) -> None:
    reaching = [names for names, inside in choices(factor) if not wanted & ~inside and not inside & avoided]
    found = reach(factor, wanted, avoided)
    if not reaching:
        assert found is None
    else:
        assert found == Share(len(reaching[0]), reaching[0], (), len(reaching[0]))


@given(factors, states)
def test_a_pivot_is_the_first_of_the_fewest_lists_that_mean_exactly_the_wanted(factor: Factor, wanted: int) -> None:
    assert pivot(factor, wanted) == first_pivot(factor, wanted)


@given(factors, states, st.integers(0, 60))
def test_out_of_budget_a_pivot_is_still_exact_and_its_bound_sound(factor: Factor, wanted: int, steps: int) -> None:
    expected = first_pivot(factor, wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(covers, "MAX_STEPS", steps)
        found = pivot.__wrapped__(factor, wanted)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert is_pivot(factor, wanted, found)
        assert found.lists == len(found.include) + len(found.exclude)
        assert found.at_least <= expected.lists <= found.lists


def test_lists_that_reach_too_far_are_included_where_that_takes_fewer() -> None:
    factor = Factor((0,), 6, {"wide": 0b011111, "rest": 0b010000, **{f"one {i}": 1 << i for i in range(6)}})
    assert pivot(factor, 0b001111) == Share(2, ("wide",), ("one 4",), 2)


def test_lists_that_reach_too_far_are_left_where_nothing_excludes_what_they_spill() -> None:
    factor = Factor((0,), 3, {"wide": 0b111, "a": 0b001, "b": 0b010})
    assert pivot(factor, 0b011) == Share(2, ("a", "b"), (), 2)
    assert pivot(factor, 0b110) == Share(2, ("wide",), ("a",), 2)
    assert pivot(factor, 0b100) == Share(3, ("wide",), ("a", "b"), 3)


def test_what_several_lists_spill_together_is_tried_once() -> None:
    lists = {"a": 0b0101, "b": 0b1010, "both": 0b1111, "x": 0b0100, "y": 0b1000}
    assert pivot(Factor((0,), 4, lists), 0b0011) == Share(3, ("both",), ("x", "y"), 3)


def test_nothing_to_keep_out_takes_no_guard() -> None:
    assert guard(Factor((0,), 2, {}), 0b11) == Share(0, (), (), 0)
    assert guard(Factor((0,), 2, {}), 0b01) is None


def test_of_shares_with_as_many_lists_the_first_includes_count() -> None:
    assert min(Share(2, ("b",), ("a",), 2), Share(2, ("a", "b"), (), 2)) == Share(2, ("a", "b"), (), 2)
    assert Share(1, ("z",), (), 1) < Share(2, ("a",), ("a",), 2)

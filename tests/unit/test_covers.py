from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segmentation_core.planning import covers
from segmentation_core.planning.covers import Cover, smallest_cover, smallest_exact_cover
from tests.unit.brute import subsets, union

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

ELEMENTS = 8

universes = st.integers(0, (1 << ELEMENTS) - 1)
families = st.lists(st.integers(1, (1 << ELEMENTS) - 1), max_size=8).flatmap(
    lambda masks: st.permutations("abcdefgh"[: len(masks)]).map(lambda names: dict(zip(names, masks, strict=True)))
)

hard_families = st.lists(
    st.sets(st.integers(0, 11), min_size=3, max_size=3), min_size=10, max_size=16, unique_by=frozenset
).map(lambda triples: {f"{i:02}": sum(1 << element for element in triple) for i, triple in enumerate(triples)})


def covering(universe: int, sets: Mapping[str, int], names: tuple[str, ...]) -> bool:
    return not universe & ~union(sets[name] for name in names)


def first_smallest(universe: int, sets: Mapping[str, int]) -> tuple[str, ...] | None:
    """Go through all choices, smaller ones first and each size in ascending order of names."""
    return next((names for names in subsets(sorted(sets)) if covering(universe, sets, names)), None)


@given(universes, families)
def test_the_smallest_cover_is_the_first_of_all_that_are_as_small(universe: int, sets: dict[str, int]) -> None:
    expected = first_smallest(universe, sets)
    found = smallest_cover(universe, sets)
    assert found == (None if expected is None else Cover(expected, len(expected)))


@given(hard_families)
def test_the_smallest_cover_of_overlapping_triples_is_the_first(sets: dict[str, int]) -> None:
    universe = union(sets.values())
    expected = first_smallest(universe, sets)
    assert expected is not None
    assert smallest_cover(universe, sets) == Cover(expected, len(expected))


@given(universes, families, st.integers(0, 6))
def test_out_of_budget_a_cover_still_covers_and_its_bound_is_sound(
    universe: int, sets: dict[str, int], steps: int
) -> None:
    expected = first_smallest(universe, sets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(covers, "MAX_STEPS", steps)
        found = smallest_cover(universe, sets)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert covering(universe, sets, found.names)
        assert found.names == tuple(sorted(set(found.names)))
        assert found.at_least <= len(expected) <= len(found.names)


@given(hard_families, st.integers(0, 40))
def test_out_of_budget_hard_covers_still_cover(sets: dict[str, int], steps: int) -> None:
    universe = union(sets.values())
    expected = first_smallest(universe, sets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(covers, "MAX_STEPS", steps)
        found = smallest_cover(universe, sets)
    assert expected is not None
    assert found is not None
    assert covering(universe, sets, found.names)
    assert found.names == tuple(sorted(set(found.names)))
    assert found.at_least <= len(expected) <= len(found.names)


@given(universes, families, st.randoms(use_true_random=False))
def test_the_order_of_the_sets_does_not_matter(universe: int, sets: dict[str, int], random: Random) -> None:
    shuffled = list(sets.items())
    random.shuffle(shuffled)
    assert smallest_cover(universe, dict(shuffled)) == smallest_cover(universe, sets)


def test_nothing_is_covered_by_no_sets() -> None:
    assert smallest_cover(0, {}) == Cover((), 0)
    assert smallest_cover(0, {"a": 3}) == Cover((), 0)
    assert smallest_cover(1, {}) is None
    assert smallest_cover(1, {"a": 2}) is None


def test_of_sets_that_cover_the_same_the_first_is_taken() -> None:
    assert smallest_cover(0b11, {"c": 0b111, "b": 0b011, "a": 0b100}) == Cover(("b",), 1)


def test_every_set_of_a_partition_is_needed_however_many_there_are() -> None:
    sets = {f"{i:04}": 1 << i for i in range(2_000)}
    assert smallest_cover((1 << 2_000) - 1, sets) == Cover(tuple(sets), 2_000)


def test_a_greedy_cover_is_not_taken_for_a_smallest() -> None:
    sets = {"wide": 0b00111100, "left": 0b00001111, "right": 0b11110000, "low": 0b00000011, "high": 0b11000000}
    assert smallest_cover(0b11111111, sets) == Cover(("left", "right"), 2)


def test_a_search_past_its_budget_settles_for_a_greedy_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    points = range(15)
    lines = [line for line in combinations(points, 3) if not (line[0] + 1) ^ (line[1] + 1) ^ (line[2] + 1)]
    sets = {f"{i:02}": sum(1 << point for point in line) for i, line in enumerate(lines)}
    universe = (1 << 15) - 1
    assert smallest_cover(universe, sets) == Cover(first_smallest(universe, sets) or (), 5)
    monkeypatch.setattr(covers, "MAX_STEPS", 0)
    found = smallest_cover(universe, sets)
    assert found is not None
    assert covering(universe, sets, found.names)
    assert found.at_least == 5


WANTED = 0b1111
exact_sets = st.dictionaries(st.text("abc", min_size=1, max_size=2), st.integers(1, 255), max_size=6)
removables = st.dictionaries(
    st.text("xyz", min_size=1, max_size=2), st.integers(1, 15).map(lambda m: m << 4), max_size=4
)


def first_exact(
    sets: Mapping[str, int], removable: Mapping[str, int]
) -> tuple[int, tuple[str, ...], tuple[str, ...]] | None:
    """Try every choice of both: the fewest, then the first by names."""
    choices = [
        (len(names) + len(without), tuple(sorted(names)), tuple(sorted(without)))
        for names in subsets(sorted(sets))
        for without in subsets(sorted(removable))
        if union(sets[name] for name in names) & ~union(removable[name] for name in without) == WANTED
    ]
    return min(choices, default=None)


@given(exact_sets, removables)
def test_an_exact_cover_is_the_first_of_the_smallest(sets: dict[str, int], removable: dict[str, int]) -> None:
    found = smallest_exact_cover(WANTED, sets, removable)
    expected = first_exact(sets, removable)
    assert (found and (found.size, found.names, found.without)) == expected
    assert found is None or found.at_least == found.size


@given(exact_sets, removables, st.integers(0, 150))
def test_out_of_budget_an_exact_cover_is_exact_and_its_bound_sound(
    sets: dict[str, int], removable: dict[str, int], steps: int
) -> None:
    expected = first_exact(sets, removable)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(covers, "MAX_STEPS", steps)
        found = smallest_exact_cover(WANTED, sets, removable)
    if expected is None:
        assert found is None
    else:
        assert found
        spilt = union(sets[name] for name in found.names) & ~WANTED
        assert union(sets[name] for name in found.names) & WANTED == WANTED
        assert not spilt & ~union(removable[name] for name in found.without)
        assert found.at_least <= expected[0] <= found.size


@given(hard_families, st.integers(0, 1_000))
def test_out_of_budget_what_is_spilt_is_taken_away_and_the_bound_sound(removable: dict[str, int], steps: int) -> None:
    spilt = union(removable.values())
    expected = first_smallest(spilt, removable)
    beyond = {name: mask << 1 for name, mask in removable.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(covers, "MAX_STEPS", steps)
        found = smallest_exact_cover(1, {"one": 1 | spilt << 1}, beyond)
    assert found is not None
    assert found.names == ("one",)
    assert covering(spilt << 1, beyond, found.without)
    assert expected is not None
    assert found.at_least <= 1 + len(expected) <= found.size


def test_a_set_that_holds_less_and_spills_less_is_not_passed_over() -> None:
    sets = {"left": 0b0011, "right": 0b1100, "wide": 0b1110_1111}
    removable = {"x": 0b0010_0000, "y": 0b0100_0000, "z": 0b1000_0000}
    assert smallest_exact_cover(0b1111, sets, removable) == Cover(("left", "right"), 2)


spilling = st.lists(
    st.integers(1, 0b1111).flatmap(lambda held: st.integers(0, 255).map(lambda s: held | s << 4)), max_size=4
)
overlapping = st.lists(st.integers(1, 255).map(lambda mask: mask << 4), min_size=4, max_size=7)


@example([0b0110_0000_0001, 0b0000_0101_1110], [0x010, 0x540, 0x340, 0x590], 39)  # a greedy price raises the size
@given(spilling, overlapping, st.integers(0, 400))
def test_out_of_budget_the_bound_is_sound_where_taking_away_is_hard(
    held: list[int], taken: list[int], steps: int
) -> None:
    sets = {f"s{i}": mask for i, mask in enumerate(held)}
    removable = {f"r{i}": mask for i, mask in enumerate(taken)}
    expected = first_exact(sets, removable)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(covers, "MAX_STEPS", steps)
        found = smallest_exact_cover(WANTED, sets, removable)
    assert (found is None) == (expected is None)
    if found and expected:
        reached = union(sets[name] for name in found.names) & ~union(removable[name] for name in found.without)
        assert reached == WANTED
        assert found.at_least <= expected[0] <= found.size


def test_a_cover_that_is_found_within_the_budget_is_kept_where_the_first_by_names_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sets = {f"{i:02}": 1 << i | 1 << (i + 1) % 9 for i in range(9)} | {"zz": 0b111}
    sizes = set()
    for steps in range(0, 2_000, 20):
        monkeypatch.setattr(covers, "MAX_STEPS", steps)
        found = smallest_cover((1 << 9) - 1, sets)
        assert found is not None
        assert covering((1 << 9) - 1, sets, found.names)
        assert found.at_least <= 4 <= found.size
        sizes.add((found.size, found.at_least))
    assert (4, 4) in sizes

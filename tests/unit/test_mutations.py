"""The mutation tests themselves: which changes are made, and what the page of docs keeps."""

from __future__ import annotations

from tests.mutants import Mutant, mutants
from tests.mutations import PARTS, Part, page, section

SOURCE = '''
"""A docstring stays."""
LIMIT = 3

def allowed(age, admin=False):
    if age < LIMIT and not admin:
        raise ValueError
    return age
'''


def test_each_change_is_made_once_in_an_otherwise_unchanged_source() -> None:
    made = [*mutants("m", SOURCE)]
    assert {one.change.partition("  →  ")[2] for one in made} == {
        "LIMIT = 4",
        "if not (age < LIMIT and (not admin)):",
        "if age <= LIMIT and (not admin):",
        "if age < LIMIT or not admin:",
        "if age < LIMIT and (not not admin):",
        "pass",
        "return None",
    }
    assert len({one.source for one in made}) == len(made) == 7


def test_so_many_are_drawn_and_always_the_same() -> None:
    part = Part("drawn", ("segmentation_core.permissions", "segmentation_core.users"), ())
    again = Part("drawn", part.modules, ())
    drawn = part.drawn(5)
    assert len(drawn) == 10
    assert drawn == again.drawn(5)
    assert set(drawn) < set(Part("all", part.modules, ()).drawn(None))
    assert part.made == again.made > 10


def test_the_page_changes_the_section_of_what_was_run_and_keeps_the_others() -> None:
    first, second = (Part(part.name, part.modules, part.tests, made=2) for part in PARTS[:2])
    mutant = Mutant("m", 1, "a  →  b", "b")
    first.noticed, first.survived = [mutant], [mutant]
    second.noticed = [mutant]
    once = page("", [first])
    both = page(once, [second])
    assert section(first) in once
    assert section(first) in both
    assert section(second) in both
    assert section(second) not in once
    assert page(both, []) == both
    assert "2 mutants, all of them tried: 1 noticed, 0 ran past 120 s, 1 survived." in both
    assert "2 mutants, 1 of them drawn and tried: 1 noticed, 0 ran past 120 s, 0 survived." in both
    assert both.count("Not run yet.") == len(PARTS) - 2

"""Rules of the house that import-linter cannot say."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import grimp

import adapters
import entrypoints
import segmentation_core

SRC = Path(__file__).parents[2] / "src"

WITHOUT_IO = {
    "__future__", "collections", "contextlib", "datetime", "difflib", "enum", "fractions", "functools", "graphlib",
    "hashlib", "heapq", "hmac", "html", "itertools", "json", "math", "operator", "re", "string", "typing", "unicodedata",
}  # fmt: skip
"""The modules of the standard library that the core may import: they compute, and do nothing else."""


def external_imports() -> dict[str, set[str]]:
    """Return, for each module of the core, the packages outside the project that it imports."""
    graph = grimp.build_graph("segmentation_core", include_external_packages=True, cache_dir=None)
    return {
        module: {
            name
            for name in graph.find_modules_directly_imported_by(module)
            if not name.startswith(module.split(".")[0])
        }
        for module in graph.modules
        if module.startswith("segmentation_core")
    }


def test_the_core_imports_msgspec_and_what_computes() -> None:
    imports = external_imports()
    assert len(imports) > 10
    for module, names in imports.items():
        allowed = WITHOUT_IO | {"msgspec"} | ({"hypothesis"} if module == "segmentation_core.testing" else set())
        assert {name.split(".")[0] for name in names} <= allowed, module


def test_what_the_core_may_import_is_the_standard_library() -> None:
    assert set(sys.stdlib_module_names) >= WITHOUT_IO


def test_our_packages_are_imported_from_here() -> None:
    for package in (segmentation_core, adapters, entrypoints):
        assert package.__file__ is not None
        assert Path(package.__file__).parent.parent == SRC, "another distribution has a package of this name"


def test_only_the_population_knows_numpy_and_pyarrow() -> None:
    users = {
        path.relative_to(SRC).parts[:2]
        for path in SRC.rglob("*.py")
        if re.search(r"^\s*(import|from) (numpy|pyarrow)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert users == {("adapters", "population")}

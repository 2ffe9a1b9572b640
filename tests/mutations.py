"""Mutation tests of what keeps people apart: sessions, CSRF, throttling, authorisation and tenancy.

`python -m tests.mutations` changes the code in one place at a time, runs the tests concerned, and expects them to fail.
A change that they do not notice is a survivor, and needs a reason in `tests/survivors.py`. The result is kept in
docs/mutations.md, a section for each part. Words on the command line choose parts by name; the sections of the others
stay. `--most 20` tries so many changes of a module, drawn with a fixed seed, and the section says so.

Each mutant lives in a process of its own, forked from one that has loaded the libraries and nothing of ours: so it
costs a second and not five.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import re
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.mutants import Mutant, mutants
from tests.survivors import REASONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

ROOT: Final = Path(__file__).parents[1]
REPORT: Final = ROOT / "docs" / "mutations.md"

SECONDS: Final = 120
"""A mutant that takes longer is noticed: it hangs."""

LIBRARIES: Final = ("anyio", "bcrypt", "dependency_injector.containers", "hypothesis", "jwt", "litestar", "litestar.testing", "msgspec", "numpy", "platformdirs", "psycopg", "psycopg_pool", "pyarrow.csv", "pyarrow.parquet", "structlog", "uvicorn", "zxcvbn")  # fmt: skip


QUIETLY: Final = (
    "-x",
    "-q",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
    *(f"-pno:{plugin}" for plugin in ("cacheprovider", "pytest_cov", "schemathesis", "xdist")),
)
"""How pytest runs; that a library is loaded before it is no fault here."""


@dataclass
class Part:
    """Modules that belong together, and runs of pytest that have to notice whatever changes in them."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    made: int = 0
    noticed: list[Mutant] = field(default_factory=list)
    hung: list[Mutant] = field(default_factory=list)
    survived: list[Mutant] = field(default_factory=list)

    @property
    def tried(self) -> list[Mutant]:
        return [*self.noticed, *self.hung, *self.survived]

    def drawn(self, most: int | None) -> list[Mutant]:
        """Return the mutants to try, at most so many of a module: always the same ones while it stays as it is."""
        pending: list[Mutant] = []
        for module in self.modules:
            found = [*mutants(module, file_of(module).read_text("utf-8"))]
            self.made += len(found)
            pending += found if most is None else random.Random(module).sample(found, min(most, len(found)))
        return pending


_SIGNING_IN: Final = "tests/unit/test_signing_in.py tests/unit/test_throttled_sign_in.py tests/unit/test_changing_passwords.py tests/unit/test_resetting_passwords.py tests/unit/test_edges_of_sessions.py"
_MANAGING: Final = "tests/unit/test_permissions.py tests/unit/test_users.py tests/unit/test_managing_users.py tests/unit/test_managing_presets.py tests/unit/test_edges_of_presets.py"

PARTS: Final = (
    Part(
        "sessions and sign-in",
        (
            "segmentation_core.sessions",
            "segmentation_core.usecases.signing_in",
            "segmentation_core.usecases.changing_passwords",
            "segmentation_core.usecases.throttled",
            "segmentation_core.usecases.resetting_passwords",
        ),
        (_SIGNING_IN,),
    ),
    Part(
        "tokens, CSRF and known devices",
        ("adapters.tokens", "adapters.devices"),
        ("tests/contract/test_tokens.py tests/contract/test_devices.py",),
    ),
    Part(
        "throttle",
        ("segmentation_core.throttling", "adapters.memory.throttle"),
        (_SIGNING_IN, "tests/contract/test_throttle.py -k memory"),
    ),
    Part(
        "authorisation",
        (
            "segmentation_core.permissions",
            "segmentation_core.users",
            "segmentation_core.presets",
            "segmentation_core.usecases.managing_users",
            "segmentation_core.usecases.managing_presets",
        ),
        (_MANAGING,),
    ),
    Part(
        "what a request proves",
        ("entrypoints.http.access", "entrypoints.http.addresses", "entrypoints.http.auth", "entrypoints.http.clients"),
        ("tests/unit/test_addresses.py tests/unit/test_proofs_of_requests.py tests/unit/test_declared_routes.py",),
    ),
    Part(
        "tenancy",
        ("adapters.postgres.sessions", "adapters.postgres.statements", "adapters.postgres.throttle"),
        (
            "tests/unit/test_statements.py",
            "tests/contract/test_sessions.py tests/contract/test_throttle.py tests/contract/test_row_level_security.py -k postgres18",
        ),
    ),
)


class _Changed(importlib.machinery.SourceFileLoader):
    """Loads a module changed."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__(mutant.module, str(file_of(mutant.module)))
        self._code = compile(mutant.source, self.path, "exec")

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return self._code


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the changed module before anything else does."""

    def __init__(self, mutant: Mutant) -> None:
        self._name, self._loader = mutant.module, _Changed(mutant)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._loader.path, loader=self._loader)


def file_of(module: str) -> Path:
    """Return the file of a module, which is not imported."""
    return (ROOT / "src" / Path(*module.split("."))).with_suffix(".py")


def begun(part: Part, mutant: Mutant) -> int:
    """Start a process that ends with 0 where the tests notice nothing; return its id."""
    child = os.fork()
    if child:
        return child
    with open(os.devnull, "w", encoding="utf-8") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    os.setsid()
    sys.meta_path.insert(0, _Finder(mutant))
    status = 1
    try:
        for tests in part.tests:
            words, _, chosen = tests.partition(" -k ")
            arguments = [*words.split(), *(["-k", chosen] if chosen else [])]
            status = pytest.main([*QUIETLY, *arguments])
            if status:
                break
    finally:
        os._exit(int(bool(status)))


def run(part: Part, processes: int, most: int | None) -> None:
    """Try the mutants of a part. Raises RuntimeError where the tests fail on what was not changed at all."""
    unchanged = Mutant(part.modules[0], 0, "", file_of(part.modules[0]).read_text("utf-8"))
    _, status = os.waitpid(begun(part, unchanged), 0)
    if status:
        msg = f"the tests of {part.name} fail without any change: pytest {' '.join(part.tests)}"
        raise RuntimeError(msg)
    pending = part.drawn(most)
    running: dict[int, tuple[Mutant, float]] = {}
    while pending or running:
        while pending and len(running) < processes:
            mutant = pending.pop()
            running[begun(part, mutant)] = (mutant, time.monotonic())
        for child, (mutant, since) in [*running.items()]:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                del running[child]
                if os.waitstatus_to_exitcode(status):
                    part.noticed.append(mutant)
                else:
                    part.survived.append(mutant)
                    print(f"  survived: {mutant.module}:{mutant.line}: {mutant.change}", flush=True)
            elif time.monotonic() - since > SECONDS:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                del running[child]
                part.hung.append(mutant)
                print(f"  hung: {mutant.module}:{mutant.line}: {mutant.change}", flush=True)
        time.sleep(0.02)


def section(part: Part) -> str:
    """Return what the page of docs says of a part."""
    modules = ", ".join(f"`{module}`" for module in part.modules)
    tried = "all of them tried" if len(part.tried) == part.made else f"{len(part.tried)} of them drawn and tried"
    noticed, hung, survived = len(part.noticed), len(part.hung), len(part.survived)
    lines = [
        f"## {part.name}",
        "",
        f"Of {modules}.",
        "",
        f"{part.made} mutants, {tried}: {noticed} noticed, {hung} ran past {SECONDS} s, {survived} survived.",
        "",
    ]
    for mutant in sorted(part.survived, key=lambda one: (one.module, one.line)):
        lines += [f"- `{mutant.module}`: `{mutant.change}`", f"  {REASONS.get(mutant.name, '(no reason yet)')}"]
    return "\n".join(lines).rstrip() + "\n"


def page(present: str, parts: Sequence[Part]) -> str:
    """Return the page of docs with the sections of some parts made anew; those of the others stay as they are."""
    kept = {
        found.split("\n", 1)[0]: f"## {found.rstrip()}\n"
        for found in re.split(r"^## ", present, flags=re.MULTILINE)[1:]
    }
    kept |= {part.name: section(part) for part in parts}
    return "\n".join([_HEAD, *(kept.get(part.name, f"## {part.name}\n\nNot run yet.\n") for part in PARTS)])


_HEAD: Final = """# Mutation tests

The last result of `python -m tests.mutations`, which writes this page and which `make nightly` runs: the code of each
part was changed in one place at a time, and the tests of the part had to fail. A survivor needs a reason, in
`tests/survivors.py`. With `--most` so many changes of each module are drawn, always the same ones, and the others not
tried: a section says how many of how many.
"""


def wrong_in(parts: Sequence[Part]) -> list[str]:
    """Return the survivors without a reason, and the reasons of what is noticed by now or is no mutant any more."""
    survivors = {mutant.name for part in parts for mutant in part.survived}
    tried = {mutant.name for part in parts for mutant in part.tried}
    possible = {
        mutant.name
        for part in parts
        for module in part.modules
        for mutant in mutants(module, file_of(module).read_text("utf-8"))
    }
    modules = {module for part in parts for module in part.modules}
    stale = [
        name
        for name in REASONS
        if name.partition(":")[0] in modules and (name not in possible or name in tried - survivors)
    ]
    return [f"no reason: {name}" for name in sorted(survivors - REASONS.keys())] + [
        f"a reason without survivor: {name}" for name in stale
    ]


def main(words: Sequence[str]) -> int:
    """Run all parts, or those named; return 1 where a survivor has no reason, or a reason no survivor."""
    asked = argparse.ArgumentParser(prog="python -m tests.mutations")
    asked.add_argument("parts", nargs="*", help="words in the names of parts; all parts where there are none")
    asked.add_argument("--most", type=int, help="how many changes of a module are tried; all where it is not given")
    chosen = asked.parse_args(words)
    for library in LIBRARIES:
        importlib.import_module(library)
    os.environ.setdefault("HYPOTHESIS_PROFILE", "dev")
    parts = [part for part in PARTS if not chosen.parts or any(word in part.name for word in chosen.parts)]
    for part in parts:
        began = time.monotonic()
        print(part.name, flush=True)
        run(part, os.cpu_count() or 1, chosen.most)
        print(
            f"  {len(part.noticed)} noticed, {len(part.hung)} hung, {len(part.survived)} not, "
            f"in {time.monotonic() - began:.0f} s",
            flush=True,
        )
        REPORT.write_text(page(REPORT.read_text("utf-8") if REPORT.exists() else "", [part]), "utf-8")
    wrong = wrong_in(parts)
    print("\n".join(wrong) or "every survivor with its reason")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

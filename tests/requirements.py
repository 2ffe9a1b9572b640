"""Which test shows which line of docs/security-requirements.md: `make security` prints it, and fails where none does.

A test names its lines by the mark `requirement`. Nothing is run here: `make test` runs all of them.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final

import pytest

REQUIREMENTS: Final = Path(__file__).parents[1] / "docs" / "security-requirements.md"

LATER: Final = {
    33: "exports, which are not there yet",
    44: "the part on the bundled page, which is not there yet",
    53: "the fault programme with replicas",
}
"""What comes with what is yet to be built; 33 as a whole, of the others a part."""

WHOLLY_LATER: Final = {33}

_LINE: Final = re.compile(r"^(\d+)\. (.*(?:\n {3,}.*)*)", re.MULTILINE)


class Gathered:
    """A plugin of pytest that notes which tests show a line."""

    def __init__(self) -> None:
        self.tests: dict[int, list[str]] = defaultdict(list)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            name = item.nodeid.partition("[")[0]
            for mark in item.iter_markers("requirement"):
                for number in mark.args:
                    if name not in self.tests[number]:
                        self.tests[number].append(name)


def lines(text: str) -> dict[int, str]:
    """Return the requirements by number, each in one line."""
    return {int(number): " ".join(said.split()) for number, said in _LINE.findall(text)}


def table(required: dict[int, str], tests: dict[int, list[str]]) -> tuple[list[str], list[str]]:
    """Return the table, and what is wrong with it."""
    rows, wrong = [], []
    for number, said in required.items():
        rows.append(f"{number:>2}  {said if len(said) <= 110 else said[:109] + '…'}")
        rows += [f"      {name}" for name in sorted(tests.get(number, ()))]
        if number in LATER:
            rows.append(f"      later: {LATER[number]}")
        if bool(tests.get(number)) == (number in WHOLLY_LATER):
            wrong.append(f"{number}: " + ("is shown by now" if number in WHOLLY_LATER else "no test shows it"))
    wrong += [f"{number}: there is no such line" for number in tests if number not in required]
    return rows, wrong


def main() -> int:
    """Print the table; return 1 where a line has no test."""
    gathered = Gathered()
    with redirect_stdout(StringIO()) as told:
        status = pytest.main(["--collect-only", "--quiet"], plugins=[gathered])
    if status:
        print(told.getvalue(), file=sys.stderr)
        return 1
    required = lines(REQUIREMENTS.read_text("utf-8"))
    rows, wrong = table(required, gathered.tests)
    print("\n".join(rows))
    print(f"\n{len(required)} lines, {len(wrong)} at fault" + "".join(f"\n  {fault}" for fault in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

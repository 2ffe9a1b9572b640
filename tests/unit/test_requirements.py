"""What must be true of the table of `make security`, and of what the project is made from."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.requirements import LATER, REQUIREMENTS, lines, table

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"


def test_the_requirements_are_54_without_a_gap() -> None:
    assert list(lines(REQUIREMENTS.read_text("utf-8"))) == list(range(1, 55))


def test_a_line_without_a_test_and_a_test_without_a_line_are_told() -> None:
    required = {1: "one", 2: "two", 33: "later", 44: "in part"}
    shown = {1: ["a"], 44: ["b"]}
    assert table(required, shown)[1] == ["2: no test shows it"]
    assert table(required, shown | {2: ["c"], 99: ["d"]})[1] == ["99: there is no such line"]
    assert table(required, shown | {2: ["c"], 33: ["d"]})[1] == ["33: is shown by now"]
    assert table(required, {1: ["a"], 2: ["c"]})[1] == ["44: no test shows it"]
    assert set(LATER) == {33, 44, 53}


@pytest.mark.requirement(54)
def test_every_locked_library_has_its_hashes_and_stands_in_the_bill_of_materials(tmp_path: Path) -> None:
    locked = re.split(r"\n(?=[a-z0-9])", LOCK.read_text("utf-8"))
    pinned = [part for part in locked if "==" in part.split("\n", 1)[0]]
    assert len(pinned) > 50
    assert all("--hash=sha256:" in part for part in pinned)
    bill = tmp_path / "sbom.json"
    command = Path(sys.executable).parent / "cyclonedx-py"
    subprocess.run(
        [command, "requirements", LOCK, "--output-format", "JSON", "--output-file", bill],
        check=True,
        capture_output=True,
    )
    document: dict[str, Any] = msgspec.json.decode(bill.read_bytes())
    assert {one["name"].lower() for one in document["components"]} >= {re.split(r"[\[=]", part)[0] for part in pinned}


@pytest.mark.requirement(54)
def test_how_dependencies_are_kept_up_to_date_is_stated_and_what_it_names_can_be_made() -> None:
    _, _, rest = (ROOT / "docs" / "security.md").read_text("utf-8").partition("## Dependencies")
    said = rest.partition("\n## ")[0]
    assert "Once a month" in said
    assert "advisory" in said
    named = set(re.findall(r"`make ([a-z]+)`", said))
    assert named >= {"lock", "sbom", "test", "check"}
    assert named <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

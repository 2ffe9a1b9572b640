"""What the README and the documents show is what happens."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.served import COMMAND, serving

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall((ROOT / document).read_text("utf-8")) if kind == language]


def test_the_walk_of_the_readme_works_as_printed(tmp_path: Path) -> None:
    shell = "\n".join(block for block in blocks("README.md", "sh") if "curl" in block or "CSRF=" in block)
    password = re.search(r'SEGMENTATION_DEMO_PASSWORD="(.+)"', shell)
    assert password
    with serving(password=password.group(1)) as (address, _):
        there = shell.replace("http://127.0.0.1:8000", address).replace("cookies.txt", str(tmp_path / "cookies.txt"))
        lines = f"set -euo pipefail\n{there}".replace("\ncurl", "\necho; curl")
        ran = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True, cwd=tmp_path)
    signed_in, built, catalog = (json.loads(line) for line in ran.stdout.split("\n") if line)
    assert signed_in["user"]["username"] == "analyst"
    (promised,) = (json.loads(block) for block in blocks("README.md", "json"))
    assert {**built, "metadata": promised["metadata"]} == promised
    assert catalog["name"] == "caravan"


def test_the_commands_of_the_readme_work_as_printed() -> None:
    (shell,) = (block for block in blocks("README.md", "sh") if "segmentation plan" in block)
    there = shell.replace(".venv/bin/segmentation", str(COMMAND))
    ran = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{there}"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "3 lists in 1 ad set, proved fewest" in ran.stdout
    assert ran.stdout.endswith("795\n")


DOCUMENTS = ["README.md", *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md")))]
PYTHON = {f"{name}, {i}": block for name in DOCUMENTS for i, block in enumerate(blocks(name, "python"))}


@pytest.mark.parametrize("block", PYTHON.values(), ids=PYTHON)
def test_the_python_of_every_document_runs(block: str, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(block, "utf-8")
    subprocess.run([sys.executable, script], check=True, cwd=ROOT, timeout=60)


def test_every_link_within_the_documents_leads_somewhere() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text("utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path}: {target}"


def test_the_picture_shows_what_the_library_says() -> None:
    drawn = subprocess.run(
        [sys.executable, ROOT / "docs/images/result.py", "-"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert drawn.stdout == (ROOT / "docs/images/result.svg").read_text("utf-8")

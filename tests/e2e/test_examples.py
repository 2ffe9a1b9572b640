"""The examples, run as a user would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.served import PASSWORD, serving

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def test_the_example_of_the_library_runs_and_draws(tmp_path: Path) -> None:
    picture = tmp_path / "audience.png"
    ran = subprocess.run(
        [sys.executable, EXAMPLES / "library.py", picture], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "795 people" in ran.stdout
    assert "3 lists in 1 ad set, proved fewest" in ran.stdout
    assert "the two are same; their fingerprints are equal: True" in ran.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000


def test_the_example_of_the_http_api_runs(tmp_path: Path) -> None:
    lists = tmp_path / "lists.csv"
    with serving() as (address, _):
        command = [sys.executable, str(EXAMPLES / "http_client.py"), address, "analyst", PASSWORD, str(lists)]
        for _ in range(2):  # it leaves nothing behind that would be in its own way
            ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
            assert "795 people. One ad set: include 2 lists, exclude 1." in ran.stdout
            assert "66 of them own a caravan" in ran.stdout
            assert "400: $.audienceFilters.agee" in ran.stdout
            assert "412: " in ran.stdout
        assert lists.read_text().splitlines()[1] == "1,795,include,1,age_20-30,"
        refused = subprocess.run([*command[:4], "wrong"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 1
    assert "wrong" in refused.stderr


def test_the_examples_are_all_run() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix == ".py"} == {"library.py", "http_client.py"}

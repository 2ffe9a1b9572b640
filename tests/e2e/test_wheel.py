"""What `pip install segmentation-core` brings."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", folder, ROOT], check=True, cwd=folder)
    (made,) = folder.glob("segmentation_core-*.whl")
    return made


def test_the_wheel_without_extras_brings_msgspec_alone_and_works(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path, with_pip=True)
    python = tmp_path / "bin" / "python"
    before = installed(python)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel], check=True)
    assert installed(python) - before == {"segmentation-core", "msgspec"}
    subprocess.run([python, "-c", "import segmentation_core as s; s.Catalog"], check=True, cwd=tmp_path)
    catalog = str(ROOT / "src/entrypoints/demo/catalog.json")
    segmentation = str(tmp_path / "bin" / "segmentation")
    command = [
        segmentation,
        "plan",
        "--catalog",
        catalog,
        "--filter",
        '{"age": ["20-30"]}',
        "--json",
    ]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert json.loads(ran.stdout)["clauses"][0]["include"] == [["age_20-30"]]
    for extra, arguments in (
        ("population", ["size", "--catalog", catalog, "--data", "people.csv", "--filter", "{}"]),
        ("server", ["serve", "--demo"]),
    ):
        ran = subprocess.run([segmentation, *arguments], check=False, capture_output=True, text=True, cwd=tmp_path)
        assert ran.returncode == 2
        assert f"pip install 'segmentation-core[{extra}]'" in ran.stderr
        assert "Traceback" not in ran.stderr


def test_the_wheel_carries_types_and_the_demo(wheel: Path) -> None:
    listed = subprocess.run([sys.executable, "-m", "zipfile", "-l", wheel], check=True, capture_output=True, text=True)
    for name in (
        "segmentation_core/py.typed",
        "adapters/py.typed",
        "entrypoints/py.typed",
        "entrypoints/demo/catalog.json",
        "entrypoints/demo/customers.csv",
        "entrypoints/demo/ATTRIBUTION.md",
    ):
        assert f"\n{name} " in listed.stdout


def installed(python: Path) -> set[str]:
    """Return the distributions that an environment has."""
    ran = subprocess.run(
        [python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
        text=True,
    )
    return {entry["name"].lower().replace("_", "-") for entry in json.loads(ran.stdout)}

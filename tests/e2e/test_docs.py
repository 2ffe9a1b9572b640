"""The documentation builds without a warning, and asks no other host for anything."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MKDOCS = str(Path(sys.executable).parent / "mkdocs")


def built(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MKDOCS, "build", "--strict", "--config-file", folder / "mkdocs.yml", "--site-dir", folder / "site"],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    return tmp_path


def test_the_pages_build_without_a_warning_and_load_nothing_from_elsewhere(copied: Path) -> None:
    ran = built(copied)
    assert ran.returncode == 0, ran.stderr
    pages = list((copied / "site").rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text("utf-8")
        loaded = re.findall(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]+)"', text)
        loaded += re.findall(r'<link\b[^>]*\bhref="([^"]+)"', text)
        assert not [url for url in loaded if re.match(r"(https?:)?//", url)], page
    for style in (copied / "site").rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(https?:)?//|@import", style.read_text("utf-8")), style


def test_a_link_that_leads_nowhere_fails_the_build(copied: Path) -> None:
    (copied / "docs/index.md").write_text("[nowhere](nowhere.md)", "utf-8")
    ran = built(copied)
    assert ran.returncode == 1
    assert "nowhere.md" in ran.stderr


def test_the_json_of_every_page_is_json() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for block in re.findall(r"^```json\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            try:
                json.loads(block)
            except json.JSONDecodeError:
                for line in block.splitlines():
                    json.loads(line)


def test_every_call_that_the_page_of_the_api_names_is_there() -> None:
    described = json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))["paths"]
    for method, path in re.findall(r"`(GET|POST|PUT|DELETE) (/[^ ?`]*)", (ROOT / "docs/api.md").read_text("utf-8")):
        assert method.lower() in described[path], (method, path)


def test_every_subcommand_that_the_pages_name_is_there() -> None:
    command = str(Path(sys.executable).parent / "segmentation")
    named = set()
    for page in ("running.md", "operations.md"):
        text = (ROOT / "docs" / page).read_text("utf-8")
        named |= set(re.findall(r"segmentation ((?:catalog|population|users|config|db|audit) [a-z-]+|serve)", text))
    assert len(named) > 6
    for words in named:
        subprocess.run([command, *words.split(), "--help"], check=True, capture_output=True)

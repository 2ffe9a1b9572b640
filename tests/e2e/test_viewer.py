"""The page that shows the API's description, in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from entrypoints.http import viewer
from tests.served import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = shutil.which("chromium")
NEEDED = "SEGMENTATION_TESTS_NEED_CHROMIUM"
"""Where it is set, as in continuous integration, a browser that is not installed fails the test."""

DECISION = Path(__file__).parents[2] / "docs/decisions/0021-viewer.md"
FILES = Path(viewer.__file__).parent


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


def opened(url: str, profile: Path) -> tuple[str, list[str]]:
    """Open a page; return what it has become, and what the browser's console says."""
    assert CHROMIUM, "chromium is not installed; on Debian: apt-get install chromium"
    shown = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
            "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", url,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=90,
    )  # fmt: skip
    return shown.stdout, [line for line in shown.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(not CHROMIUM and NEEDED not in os.environ, reason="chromium is not installed")
def test_a_browser_shows_every_operation_and_refuses_nothing(address: str, tmp_path: Path) -> None:
    page, console = opened(f"{address}/schema", tmp_path)
    assert console == []
    document = httpx.get(f"{address}/schema/openapi.json").json()
    described = sorted((method.upper(), path) for path, item in document["paths"].items() for method in item)
    shown = re.findall(
        r'opblock-summary-method">([A-Z]+)</span>.*?opblock-summary-path[^"]*" data-path="([^"]+)"', page, re.DOTALL
    )
    assert sorted(shown) == described
    assert len(shown) > 30


@pytest.mark.skipif(not CHROMIUM and NEEDED not in os.environ, reason="chromium is not installed")
def test_the_console_would_tell_of_what_is_refused(address: str, tmp_path: Path) -> None:
    _, console = opened(f"{address}/schema/viewer/LICENSE", tmp_path)
    assert console == []
    page = tmp_path / "page.html"
    page.write_text(f'<meta http-equiv="Content-Security-Policy" content="{viewer.POLICY}"><script>1</script>')
    _, console = opened(page.as_uri(), tmp_path)
    assert any("Content Security Policy" in line for line in console)


def test_the_page_asks_nobody_else_and_has_nothing_inline(address: str) -> None:
    page = httpx.get(f"{address}/schema")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy == viewer.POLICY
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "data:" not in policy
    assert not re.search(r"<script>|<style|style=|\son\w+=|https?:", page.text)
    for name in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        file = httpx.get(f"{address}{name}")
        assert (file.status_code, file.headers["x-content-type-options"]) == (200, "nosniff")
        again = httpx.get(f"{address}{name}", headers={"If-None-Match": file.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_the_images_of_the_style_sheet_are_files(address: str) -> None:
    styles = httpx.get(f"{address}/schema/viewer/swagger-ui.css").text
    names = set(re.findall(r"url\(([^)]+)\)", styles))
    assert "data:" not in styles
    assert len(names) > 5
    for name in names:
        image = httpx.get(f"{address}/schema/viewer/{name}")
        assert image.headers["content-type"].startswith("image/")
        assert image.content.startswith((b"<svg", b"\x89PNG", b"\xff\xd8"))


@pytest.mark.parametrize("path", ["/schema/viewer/nothing", "/schema/viewer/__init__.py", "/schema/viewer/..%2fapp.py"])
def test_nothing_but_the_pages_files_is_there(address: str, path: str) -> None:
    answer = httpx.get(f"{address}{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_browsers_are_led_to_the_page_and_programs_are_told_the_status(address: str) -> None:
    led = httpx.get(address, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (led.status_code, led.headers["location"]) == (303, "/schema")
    for accept in ("*/*", "application/json", ""):
        assert httpx.get(address, headers={"Accept": accept}).json()["status"] == "running"


def test_the_files_are_those_of_the_package() -> None:
    kept = dict(re.findall(r"^- `([^`]+)` `([0-9a-f]{64})`$", DECISION.read_text("utf-8"), re.MULTILINE))
    assert len(kept) == 6
    for name, checksum in kept.items():
        assert sha256((FILES / name).read_bytes()).hexdigest() == checksum, name

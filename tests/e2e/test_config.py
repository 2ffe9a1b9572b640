"""The command `segmentation config`, and a service that is told by a file."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from tests.served import COMMAND

if TYPE_CHECKING:
    from pathlib import Path

KEYS = ("3fP9-uV0cQ1xT_mNz7LrWbYd5kHsJ2aE", "b7Qe2Zr-YkV9mTx5LwHn0PcJd4_sGfUa", "pL5vN8x-2WqRzT7mKc0_YbHj4DsGfEua")


def ran(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    base = {name: value for name, value in os.environ.items() if not name.startswith("SEGMENTATION_")}
    return subprocess.run(
        [COMMAND, *arguments], capture_output=True, text=True, check=False, cwd=folder, env={**base, **environ}
    )


def test_what_holds_is_shown_with_its_source_and_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text(KEYS[2] + "\n")
    (tmp_path / ".env").write_text(
        f"SEGMENTATION_ENVIRONMENT=testing\nSEGMENTATION_TOKEN_KEYS=a:{KEYS[0]}\nSEGMENTATION_AUDIT_KEY_FILE=audit\n"
    )
    shown = ran(tmp_path, "config", "show", "--json", SEGMENTATION_CSRF_KEY=KEYS[1], SEGMENTATION_HSOTS="a.test")
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr == "SEGMENTATION_HSOTS is no setting\n"
    settings = {one["name"]: (one["value"], one["source"]) for one in json.loads(shown.stdout)["settings"]}
    assert settings["SEGMENTATION_ENVIRONMENT"] == ("testing", ".env")
    assert settings["SEGMENTATION_TOKEN_KEYS"] == ("***", ".env")
    assert settings["SEGMENTATION_CSRF_KEY"] == ("***", "environment")
    assert settings["SEGMENTATION_AUDIT_KEY"] == ("***", ".env, in audit")
    assert settings["SEGMENTATION_REQUEST_SECONDS"] == ("10", "default")
    for key in KEYS:
        assert key not in shown.stdout


def test_what_is_wrong_is_told_and_the_exit_is_1(tmp_path: Path) -> None:
    shown = ran(tmp_path, "config", "show")
    assert shown.returncode == 1
    assert "SEGMENTATION_TOKEN_KEYS" in shown.stderr
    assert "SEGMENTATION_TOKEN_KEYS" in shown.stdout


def test_other_commands_read_the_file_too_and_refuse_what_is_no_setting(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SEGMENTATION_DATA_DRI=here\n")
    status = ran(tmp_path, "db", "status")
    assert status.returncode == 1
    assert status.stderr.startswith(
        ".env: SEGMENTATION_DATA_DRI: there is no such setting; expected perhaps SEGMENTATION_DATA_DIR"
    )
    (tmp_path / ".env").write_text("SEGMENTATION_DATABASE_URL=postgresql://nobody@127.0.0.1:1/none\n")
    assert "names a database" in ran(tmp_path, "db", "stop").stderr

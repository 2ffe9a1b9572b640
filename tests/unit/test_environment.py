"""Where settings come from, and that each is named once."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoints.environment import VARIABLES, example, gathered, unknown
from entrypoints.settings import Settings
from segmentation_core.errors import SettingsError

ROOT = Path(__file__).parents[2]
NOWHERE = Path("nowhere/.env")


def value(environ: dict[str, str], dotenv: Path, name: str) -> tuple[str, str | None]:
    (found,) = (one for one in gathered(environ, dotenv) if one.variable.name == f"SEGMENTATION_{name}")
    return found.value, found.source


def test_every_field_of_the_settings_has_one_variable_and_every_secret_is_marked() -> None:
    fields = [variable.field for variable in VARIABLES if variable.field]
    assert sorted(fields) == sorted(Settings.__struct_fields__)
    secret = {variable.name.removeprefix("SEGMENTATION_") for variable in VARIABLES if variable.secret}
    assert secret == {"DATABASE_URL", "DATABASE_OWNER_URL", "TOKEN_KEYS", "CSRF_KEY", "AUDIT_KEY", "MAIL", "SENTRY_DSN", "DEMO_PASSWORD"}  # fmt: skip


def test_the_example_is_the_present_one_and_sets_nothing() -> None:
    kept = (ROOT / ".env.example").read_text("utf-8")
    assert kept == example(), "make env-example"
    assert all(line.startswith("#") or not line for line in kept.splitlines())
    for variable in VARIABLES:
        assert f"\n#{variable.name}=" in kept


def test_every_variable_that_the_code_reads_is_told() -> None:
    told = {variable.name for variable in VARIABLES}
    for path in (ROOT / "src/entrypoints").rglob("*.py"):
        for word in path.read_text("utf-8").replace('"', " ").split():
            if word.startswith("SEGMENTATION_") and word.strip("_").isidentifier() and word != "SEGMENTATION_":
                assert word in told | {"SEGMENTATION_DEBUG", "SEGMENTATION_CSRF_KEY_FILE"}, f"{path}: {word}"


def test_the_environment_goes_before_the_file_which_goes_before_the_default(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(
        "SEGMENTATION_HOSTS='a.test'\nexport SEGMENTATION_DRAIN_SECONDS=5 # comment\nSEGMENTATION_MAIL=${HOME}\n"
    )
    environ = {"SEGMENTATION_HOSTS": "b.test"}
    assert value(environ, dotenv, "HOSTS") == ("b.test", "environment")
    assert value(environ, dotenv, "DRAIN_SECONDS") == ("5", str(dotenv))
    assert value(environ, dotenv, "MAIL") == ("${HOME}", str(dotenv))
    assert value(environ, dotenv, "CSRF_KEY") == ("", None)
    assert value(environ, NOWHERE, "DRAIN_SECONDS") == ("", None)


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    secret, dotenv = tmp_path / "csrf", tmp_path / ".env"
    secret.write_text("a secret with spaces \n")
    assert value({"SEGMENTATION_CSRF_KEY_FILE": str(secret)}, NOWHERE, "CSRF_KEY")[0] == "a secret with spaces "
    dotenv.write_text(f"SEGMENTATION_CSRF_KEY_FILE={secret}")
    found, source = value({}, dotenv, "CSRF_KEY")
    assert (found, source) == ("a secret with spaces ", f"{dotenv}, in {secret}")
    assert value({"SEGMENTATION_CSRF_KEY": "mine"}, dotenv, "CSRF_KEY") == ("mine", "environment")


@pytest.mark.parametrize(
    ("environ", "written", "told"),
    [
        ({"SEGMENTATION_CSRF_KEY_FILE": "/nowhere/at/all"}, "", "SEGMENTATION_CSRF_KEY_FILE: the file /nowhere/at/all cannot be read: No such file"),
        ({"SEGMENTATION_CSRF_KEY_FILE": "x", "SEGMENTATION_CSRF_KEY": "y"}, "", "SEGMENTATION_CSRF_KEY: is given twice"),
        ({}, "SEGMENTATION_HOST=a.test", "SEGMENTATION_HOST: there is no such setting; expected perhaps SEGMENTATION_HOSTS"),
        ({}, "HOSTS_FILE=a.test", "HOSTS_FILE: there is no such setting"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(tmp_path: Path, environ: dict[str, str], written: str, told: str) -> None:
    (tmp_path / ".env").write_text(written)
    with pytest.raises(SettingsError) as caught:
        gathered(environ, tmp_path / ".env")
    assert told in str(caught.value)


def test_secrets_are_hidden_and_unknown_names_are_told() -> None:
    environ = {
        "SEGMENTATION_CSRF_KEY": "hush",
        "SEGMENTATION_HOSTS": "a.test",
        "SEGMENTATION_HSOTS": "b",
        "PATH": "/bin",
    }
    shown = {one.variable.name: one.shown for one in gathered(environ, NOWHERE)}
    assert shown["SEGMENTATION_CSRF_KEY"] == "***"
    assert (shown["SEGMENTATION_HOSTS"], shown["SEGMENTATION_CACHED_ANSWERS"]) == ("a.test", "4096")
    assert unknown(environ) == ["SEGMENTATION_HSOTS"]

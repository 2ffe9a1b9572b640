"""Which database and which key of the audit trail the environment means."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from adapters.postgres import APP_VARIABLE, OWNER_VARIABLE, PostgresWork, checked_url, migrate
from entrypoints.database import AUDIT_KEY, DATA_DIR, audit_key, database, embedded
from entrypoints.settings import Settings
from segmentation_core.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

NAMED = "postgresql://app:hidden@db.test/segmentation"
KEY = "schlüssel für das protokoll, lang genug"


def drawn(folder: str) -> bytes:
    return audit_key({DATA_DIR: folder})


@pytest.mark.parametrize(
    "url",
    [
        "postgresq://app:s3cret@h/db",
        "postgresql://app:s3/cret@h/db",
        "postgresql://app:5432/s3cret@h/db",
        "postgresql://app:p@s3cret@h/db",
        "postgresql://app:%zzs3cret@h/db",
        "host=h password=my s3cret dbname=db",
        "s3cret",
        "postgresql://app:s3cret\udcff@h/db",
    ],
)
def test_a_url_that_is_none_is_refused_by_its_variable_and_never_shown(url: str) -> None:
    for refuse, variable in (
        (lambda: checked_url(url, "THE_URL"), "THE_URL"),
        (lambda: PostgresWork(url, b"k" * 32), APP_VARIABLE),
        (lambda: migrate(url), OWNER_VARIABLE),
    ):
        with pytest.raises(SettingsError, match=variable) as raised:
            refuse()
        assert "s3" not in f"{raised.value}{raised.value.problems}"
        assert "cret" not in f"{raised.value}{raised.value.problems}"


@pytest.mark.parametrize(
    "url",
    [
        NAMED,
        "postgresql://app:s3%2Fcre%40t@h-1.test:5432,h_2:5433/db?sslmode=require",
        "postgresql://app@[::1]:5432/db",
        "postgresql://app@/db?host=/run/a%20b/x",
        "host=h dbname=db user=app password='s3 cret@'",
        "postgresql://app:1?s3#cret@h/db",
        "postgresql://",
    ],
)
def test_a_url_that_is_one_is_taken_as_it_is(url: str) -> None:
    assert checked_url(url, "THE_URL") == url


def test_a_database_may_be_named_for_one_of_its_roles() -> None:
    with database({OWNER_VARIABLE: NAMED}, may_be_embedded=True) as found:
        assert (found.owner_url, found.named) == (NAMED, True)
        with pytest.raises(SettingsError, match=f"{APP_VARIABLE}: is not set"):
            _ = found.url
    with database({APP_VARIABLE: NAMED}, may_be_embedded=True) as found:
        assert found.url == NAMED
        with pytest.raises(SettingsError, match=f"{OWNER_VARIABLE}: is not set"):
            _ = found.owner_url
    assert "hidden" not in repr(found)
    for variable in (APP_VARIABLE, OWNER_VARIABLE):
        with pytest.raises(SettingsError, match=f"{variable}: names a database"):
            embedded({variable: NAMED})


def test_production_has_no_embedded_database(tmp_path: Path) -> None:
    environ = {DATA_DIR: str(tmp_path / "data"), "SEGMENTATION_ENVIRONMENT": "production"}
    with pytest.raises(SettingsError, match="production has no embedded one"), database(environ, may_be_embedded=True):
        pass
    for refused in (embedded, audit_key):
        with pytest.raises(SettingsError, match="production has no embedded one"):
            refused(environ)
    assert not (tmp_path / "data").exists()


def test_all_that_ask_at_once_for_a_fresh_key_have_the_same(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        for number in range(25):
            keys = set(pool.map(drawn, [str(tmp_path / str(number))] * 4))
            assert len(keys) == 1
            assert len(keys.pop()) >= 32
            assert (tmp_path / str(number) / "audit.key").stat().st_mode & 0o777 == 0o600
            assert sorted(file.name for file in (tmp_path / str(number)).iterdir()) == ["audit.key", "postgres.lock"]


@pytest.mark.parametrize("variable", [APP_VARIABLE, OWNER_VARIABLE])
def test_a_named_database_has_no_drawn_key(tmp_path: Path, variable: str) -> None:
    environ = {variable: NAMED, DATA_DIR: str(tmp_path / "data")}
    with pytest.raises(SettingsError, match=f"{AUDIT_KEY}: is not set"):
        audit_key(environ)
    assert audit_key(environ | {AUDIT_KEY: KEY}) == KEY.encode()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kept", [b"", b"short", b"\xff" * 40], ids=["empty", "short", "no text"])
def test_a_kept_key_that_is_none_is_refused_and_left_alone(tmp_path: Path, kept: bytes) -> None:
    file = tmp_path / "audit.key"
    file.write_bytes(kept)
    with pytest.raises(SettingsError, match=r"audit\.key: the key .* put back the key that was there"):
        audit_key({DATA_DIR: str(tmp_path)})
    assert file.read_bytes() == kept


@pytest.mark.parametrize("given", ["short", os.fsdecode(b"\xff" * 40)], ids=["short", "no text"])
def test_a_given_key_that_is_none_is_refused_by_its_name(given: str) -> None:
    with pytest.raises(SettingsError, match=f"{AUDIT_KEY}: the key"):
        audit_key({AUDIT_KEY: given})
    for settings in (Settings.of, lambda environ: Settings.for_demo(environ, b"k" * 32)):
        if given != "short":
            with pytest.raises(SettingsError, match=f"{AUDIT_KEY}: is not text in UTF-8"):
                settings({AUDIT_KEY: given})


def test_a_key_is_the_same_bytes_whoever_reads_it(tmp_path: Path) -> None:
    environ = {
        AUDIT_KEY: KEY,
        "SEGMENTATION_CSRF_KEY": "c d e f g h i j k l m n o p q r s t u v w x y z",
        "SEGMENTATION_TOKEN_KEYS": "a:b c d e f g h i j k l m n o p q r s t u v w x y z",
        "SEGMENTATION_ENVIRONMENT": "testing",
    }
    assert audit_key(environ) == KEY.encode()
    assert Settings.of(environ).audit_key.encode() == KEY.encode()
    assert Settings.for_demo(environ, audit_key(environ)).audit_key.encode() == KEY.encode()
    (tmp_path / "audit.key").write_bytes(KEY.encode())
    assert audit_key({DATA_DIR: str(tmp_path)}) == KEY.encode()

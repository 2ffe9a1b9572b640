"""The rules for accounts, passwords and settings."""

from __future__ import annotations

import pytest

from entrypoints import demo
from entrypoints.settings import Settings
from segmentation_core.errors import PasswordRefused, SettingsError
from segmentation_core.users import Account, User, check_password, folded_name


@pytest.mark.parametrize("password", ["", "a" * 7, "a" * 65])
def test_a_password_has_8_to_64_characters(password: str) -> None:
    with pytest.raises(PasswordRefused, match="8 to 64 characters"):
        check_password(password)


def test_half_a_character_is_no_password() -> None:
    with pytest.raises(PasswordRefused, match="UTF-8"):
        check_password("\udcff" * 10)


def test_no_origin_may_be_every_origin() -> None:
    with pytest.raises(SettingsError, match="SEGMENTATION_CORS_ORIGINS"):
        Settings("testing", {"a": KEY}, OTHER, AUDIT, cors_origins=("*", "https://a.test/"))


@pytest.mark.parametrize("password", ["a" * 8, "ü" * 64, "🙂" * 64, "    \t    "])
def test_characters_are_counted_and_none_is_asked_for(password: str) -> None:
    check_password(password)


def test_names_are_the_same_whatever_their_case() -> None:
    assert folded_name("Straße") == folded_name("STRASSE")


def test_the_hash_stays_out_of_representations() -> None:
    assert "secret" not in repr(Account(User(1, "a", "User", "Demo"), "secret"))


def test_the_demos_password_is_the_chosen_one_or_a_fresh_one() -> None:
    assert demo.demo_password({"SEGMENTATION_DEMO_PASSWORD": "chosen well"}) == "chosen well"
    fresh = {demo.demo_password({}) for _ in range(20)}
    assert len(fresh) == 20
    for password in fresh:
        check_password(password)
    with pytest.raises(PasswordRefused, match="SEGMENTATION_DEMO_PASSWORD"):
        demo.demo_password({"SEGMENTATION_DEMO_PASSWORD": "short"})


KEY, OTHER, AUDIT = "k" * 32, "o" * 32, "a" * 32


def test_short_missing_and_equal_keys_are_refused_by_name() -> None:
    Settings("testing", {"a": KEY}, OTHER, AUDIT)
    for keys, csrf_key, named in (
        ({"a": "short"}, OTHER, "SEGMENTATION_TOKEN_KEYS"),
        ({}, OTHER, "SEGMENTATION_TOKEN_KEYS"),
        ({"a": KEY}, "short", "SEGMENTATION_CSRF_KEY"),
        ({"a": KEY}, KEY, "two keys are equal"),
        ({"a": KEY, "b": KEY}, OTHER, "two keys are equal"),
    ):
        with pytest.raises(SettingsError, match=named):
            Settings("testing", keys, csrf_key, AUDIT)


def test_keys_stay_out_of_representations_and_each_demo_draws_its_own() -> None:
    one, other = (
        Settings.for_demo({}, AUDIT.encode()),
        Settings.for_demo({"SEGMENTATION_CORS_ORIGINS": "https://a.test, https://b.test"}, AUDIT.encode()),
    )
    assert one.csrf_key not in repr(one)
    assert one.token_keys["demo"] not in repr(one)
    assert one.csrf_key != other.csrf_key
    assert other.cors_origins == ("https://a.test", "https://b.test")
    assert Settings("production", {"a": KEY}, OTHER, AUDIT).secure_cookies


COMPLETE = {
    "SEGMENTATION_TOKEN_KEYS": f"old:{KEY}, new:{'n' * 32}",
    "SEGMENTATION_CSRF_KEY": OTHER,
    "SEGMENTATION_AUDIT_KEY": AUDIT,
}


def test_settings_are_read_from_the_environment_and_are_of_production_unless_told() -> None:
    settings = Settings.of(COMPLETE | {"SEGMENTATION_CORS_ORIGINS": "https://a.test"})
    assert settings.environment == "production"
    assert [*settings.token_keys] == ["old", "new"]
    assert (settings.csrf_key, settings.audit_key, settings.cors_origins) == (OTHER, AUDIT, ("https://a.test",))
    assert Settings.of(COMPLETE | {"SEGMENTATION_ENVIRONMENT": "testing"}).environment == "testing"


def test_settings_that_are_missing_or_unknown_are_named() -> None:
    with pytest.raises(SettingsError, match="SEGMENTATION_ENVIRONMENT: is not known"):
        Settings.of({"SEGMENTATION_ENVIRONMENT": "prod"})
    for name in COMPLETE:
        with pytest.raises(SettingsError) as refused:
            Settings.of({key: value for key, value in COMPLETE.items() if key != name})
        assert name in [problem.path for problem in refused.value.problems]

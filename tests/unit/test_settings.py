"""What a service may be started with."""

from __future__ import annotations

import re
from pathlib import Path
from secrets import token_hex, token_urlsafe

import pytest

from entrypoints.environment import unknown, unread
from entrypoints.settings import Settings
from segmentation_core.errors import SettingsError
from segmentation_core.resets import is_mail_address

KEY, NEWER, OTHER, AUDIT = (
    "3fP9-uV0cQ1xT_mNz7LrWbYd5kHsJ2aE",
    "Zt6wKq8RvM1-nXcB4hYpGd0sLfJ3_uEa",
    "b7Qe2Zr-YkV9mTx5LwHn0PcJd4_sGfUa",
    "pL5vN8x-2WqRzT7mKc0_YbHj4DsGfEua",
)


@pytest.mark.requirement(9, 47)
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


@pytest.mark.requirement(48)
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
    "SEGMENTATION_HOSTS": "api.a.test",
    "SEGMENTATION_CORS_ORIGINS": "https://a.test",
    "SEGMENTATION_TOKEN_KEYS": f"old:{KEY}, new:{NEWER}",
    "SEGMENTATION_CSRF_KEY": OTHER,
    "SEGMENTATION_AUDIT_KEY": AUDIT,
}


def test_settings_are_read_from_the_environment_and_are_of_production_unless_told() -> None:
    settings = Settings.of(COMPLETE)
    assert settings.environment == "production"
    assert [*settings.token_keys] == ["old", "new"]
    assert (settings.csrf_key, settings.audit_key, settings.cors_origins) == (OTHER, AUDIT, ("https://a.test",))
    assert settings.hosts == ("api.a.test",)
    assert (settings.password_cost, settings.drain_seconds, settings.trusted_proxies) == (12, 3, ())
    told = {
        "SEGMENTATION_ENVIRONMENT": "testing",
        "SEGMENTATION_PASSWORD_COST": "4",
        "SEGMENTATION_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
        "SEGMENTATION_REQUEST_SECONDS": "2.5",
    }
    settings = Settings.of(COMPLETE | told)
    assert (settings.environment, settings.password_cost, settings.request_seconds) == ("testing", 4, 2.5)
    assert [str(one) for one in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]


def test_settings_that_are_missing_or_unknown_are_named() -> None:
    with pytest.raises(SettingsError, match="SEGMENTATION_ENVIRONMENT: is not known"):
        Settings.of({"SEGMENTATION_ENVIRONMENT": "prod"})
    for name in COMPLETE:
        with pytest.raises(SettingsError) as refused:
            Settings.of({key: value for key, value in COMPLETE.items() if key != name})
        assert name in [problem.path for problem in refused.value.problems]


def _refused(**changed: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        Settings.of(COMPLETE | changed)
    assert all(problem.expected for problem in refused.value.problems), "each tells how to mend it"
    return [problem.path for problem in refused.value.problems]


@pytest.mark.parametrize(
    "key",
    [
        "a" * 40,
        "ab" * 20,
        "abcdefgh-1" * 4,
        "change-me-9fK3-uV0cQ1xT_mNz7LrWbY",
        "my secret is 9fK3-uV0cQ1xT_mNz7LrWbY",
        "your_key_here_9fK3-uV0cQ1xT_mNz7LrWbY",
        "01234567890123456789012345678901ab",
    ],
)
@pytest.mark.requirement(47)
def test_a_key_that_can_be_guessed_is_refused(key: str) -> None:
    assert _refused(SEGMENTATION_CSRF_KEY=key) == ["SEGMENTATION_CSRF_KEY"]
    assert _refused(SEGMENTATION_TOKEN_KEYS=f"a:{KEY}, b:{key}") == ["SEGMENTATION_TOKEN_KEYS"]
    assert _refused(SEGMENTATION_AUDIT_KEY=key, SEGMENTATION_ENVIRONMENT="development") == ["SEGMENTATION_AUDIT_KEY"]


def test_drawn_keys_are_taken() -> None:
    for _ in range(200):
        for drawn in (token_urlsafe(32), token_hex(16), token_urlsafe(48)):
            Settings.of(COMPLETE | {"SEGMENTATION_CSRF_KEY": drawn})


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("SEGMENTATION_HOSTS", ""),
        ("SEGMENTATION_HOSTS", "*"),
        ("SEGMENTATION_HOSTS", "api.a.test:443"),
        ("SEGMENTATION_HOSTS", "https://api.a.test"),
        ("SEGMENTATION_CORS_ORIGINS", ""),
        ("SEGMENTATION_CORS_ORIGINS", "https://a.test, http://b.test"),
        ("SEGMENTATION_PASSWORD_COST", "11"),
        ("SEGMENTATION_PASSWORD_COST", "17"),
        ("SEGMENTATION_PASSWORD_COST", "twelve"),
        ("SEGMENTATION_TRUSTED_PROXIES", "*"),
        ("SEGMENTATION_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("SEGMENTATION_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("SEGMENTATION_REQUEST_SECONDS", "0"),
        ("SEGMENTATION_REQUEST_SECONDS", "nan"),
        ("SEGMENTATION_DRAIN_SECONDS", "-1"),
        ("SEGMENTATION_DEBUG", "1"),
        ("LITESTAR_DEBUG", "1"),
        ("PYTHONASYNCIODEBUG", "yes"),
    ],
)
@pytest.mark.requirement(3, 47)
def test_what_is_unsafe_in_production_is_refused(name: str, given: str) -> None:
    assert _refused(**{name: given}) == [name]


@pytest.mark.parametrize(
    "given", [f"a:{KEY},", f"a:{KEY},{NEWER}", f"a:{KEY}, b:", f"a:{KEY}, :{NEWER}", f"a:{KEY}, a:{NEWER}", ","]
)
@pytest.mark.requirement(9, 47)
def test_no_key_is_left_out_silently(given: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.of(COMPLETE | {"SEGMENTATION_TOKEN_KEYS": given})
    assert {problem.path for problem in refused.value.problems} == {"SEGMENTATION_TOKEN_KEYS"}
    assert not any(KEY in str(problem) + str(problem.found) for problem in refused.value.problems)
    assert not any(NEWER in str(problem) + str(problem.found) for problem in refused.value.problems)


@pytest.mark.requirement(47, 48)
def test_mail_goes_to_no_folder_in_production() -> None:
    mail = MAIL | {"SEGMENTATION_MAIL": "folder:/var/mail"}
    assert _refused(**mail) == ["SEGMENTATION_MAIL"]
    assert Settings.of(COMPLETE | mail | {"SEGMENTATION_ENVIRONMENT": "development"}).mail == "folder:/var/mail"


@pytest.mark.parametrize(
    "given", ["0.0.0.0/1, 128.0.0.0/1", "0.0.0.0/1", "10.0.0.0/7", "::/1", "fc00::/15", "::ffff:0:0/96"]
)
@pytest.mark.requirement(42)
def test_proxies_are_never_a_large_part_of_all_addresses(given: str) -> None:
    assert set(_refused(SEGMENTATION_TRUSTED_PROXIES=given)) == {"SEGMENTATION_TRUSTED_PROXIES"}
    Settings.of(COMPLETE | {"SEGMENTATION_TRUSTED_PROXIES": "10.0.0.0/8, fc00::/16, ::ffff:10.0.0.0/104"})


def test_a_name_that_nothing_reads_is_told_with_the_nearest_one() -> None:
    told = {"SEGMENTATION_TRUSTED_PROXY": "10.0.0.1", "SEGMENTATION_XYZZY": "1", "PATH": "/bin"}
    assert [*unread(COMPLETE | MAIL | told)] == [
        "SEGMENTATION_TRUSTED_PROXY is set, and nothing reads it; perhaps SEGMENTATION_TRUSTED_PROXIES is meant",
        "SEGMENTATION_XYZZY is set, and nothing reads it",
    ]


def test_every_variable_that_the_code_names_is_known() -> None:
    sources = Path(__file__).parents[2] / "src"
    named = {
        name for file in sources.rglob("*.py") for name in re.findall(r"SEGMENTATION_[A-Z_]*[A-Z]", file.read_text())
    }
    assert named
    assert unknown(dict.fromkeys(named, "")) == []


@pytest.mark.requirement(45)
def test_no_origin_may_be_every_origin() -> None:
    for origin in ("*", "https://*.a.test", "https://a.test/", "null", "https://u:p@a.test"):
        assert set(_refused(SEGMENTATION_CORS_ORIGINS=origin)) == {"SEGMENTATION_CORS_ORIGINS"}


def test_all_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.of({})
    names = {problem.path for problem in refused.value.problems}
    assert names == {*COMPLETE}


def test_a_service_that_is_told_no_hosts_answers_to_its_own_names() -> None:
    settings = Settings.for_demo({}, AUDIT.encode())
    assert settings.listening_on("0.0.0.0").hosts == ("localhost", "127.0.0.1", "[::1]", "0.0.0.0")  # noqa: S104
    assert settings.listening_on("fd00::1").hosts[-1] == "[fd00::1]"
    assert Settings.of(COMPLETE).listening_on("10.0.0.1").hosts == ("api.a.test",)


MAIL = {
    "SEGMENTATION_MAIL": "smtp://ana%40host:p%40ss%2Fword@mail.a.test",
    "SEGMENTATION_MAIL_FROM": "audience@a.test",
    "SEGMENTATION_PUBLIC_URL": "https://a.test/app/",
}


def test_mail_is_told_where_to_go_who_it_is_from_and_where_it_leads() -> None:
    settings = Settings.of(COMPLETE | MAIL)
    assert (settings.mail, settings.mail_from) == (MAIL["SEGMENTATION_MAIL"], "audience@a.test")
    assert settings.public_url == "https://a.test/app"
    assert Settings.of(COMPLETE).mail == ""
    for name, value in (
        ("SEGMENTATION_MAIL_FROM", ""),
        ("SEGMENTATION_MAIL_FROM", "Audience <audience@a.test>"),
        ("SEGMENTATION_MAIL_FROM", "a@a.test\nBcc: eve@evil.test"),
        ("SEGMENTATION_PUBLIC_URL", ""),
        ("SEGMENTATION_PUBLIC_URL", "a.test"),
        ("SEGMENTATION_PUBLIC_URL", "http://a.test"),
        ("SEGMENTATION_PUBLIC_URL", "https://a.test/#x"),
        ("SEGMENTATION_PUBLIC_URL", "https://a test"),
    ):
        with pytest.raises(SettingsError, match=name):
            Settings.of(COMPLETE | MAIL | {name: value})


@pytest.mark.requirement(48)
def test_the_password_of_a_mail_server_is_a_secret() -> None:
    settings = Settings.of(COMPLETE | MAIL)
    assert {"p%40ss%2Fword", "p@ss/word"} <= set(settings.secrets)
    assert "p%40ss" not in repr(settings)
    assert len(Settings.of(COMPLETE).secrets) == len(settings.secrets) - 2


def test_a_demo_keeps_its_mail_in_its_folder_unless_told_otherwise() -> None:
    demo = Settings.for_demo({}, AUDIT.encode()).mailing_to(Path("/data/mail"), "http://127.0.0.1:8000")
    assert (demo.mail, demo.public_url) == ("folder:/data/mail", "http://127.0.0.1:8000")
    assert is_mail_address(demo.mail_from)
    told = Settings.for_demo(MAIL, AUDIT.encode())
    assert told.mailing_to(Path("/data/mail"), "http://127.0.0.1:8000") == told

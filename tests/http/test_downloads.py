"""Lists as CSV, over HTTP."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from tests.http.conftest import account

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.served import Browser

    SignedIn = Callable[[str], Browser]

YOUNG_DRIVERS: dict[str, Any] = {"audienceFilters": {"age": ["20-30", "30-40"], "policies": ["car"]}}


def table(answer: httpx.Response, name: str) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; header=present; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.csv"'
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline=""), strict=True))


@pytest.mark.parametrize(
    ("path", "name", "member", "by"),
    [
        ("/api/get_users", "users", "users", "admin"),
        ("/api/users", "users", "users", "admin"),
        ("/api/presets", "presets", "presets", "analyst"),
        ("/api/presets/list", "presets", "presets", "analyst"),
        ("/api/presets/user/analyst", "presets", "presets", "admin"),
        ("/api/audit", "audit", "records", "admin"),
    ],
)
def test_every_list_is_the_same_as_json_and_as_csv(
    signed_in: SignedIn, path: str, name: str, member: str, by: str
) -> None:
    signed_in("analyst").post("/api/presets", {"preset_name": "=1+1", "preset_filter_json": YOUNG_DRIVERS})
    browser = signed_in(by)
    listed = browser.get(path).json()[member]
    rows = table(browser.get(path, accept="text/csv"), name)
    assert listed
    assert len(rows) == len(listed)
    key = next(iter(listed[0]))
    assert [row[key] for row in rows] == [str(entry[key]) for entry in listed]
    assert set(rows[0]) == {*listed[0]} - {"same_as"}


def test_a_name_that_is_a_formula_does_not_run_in_a_spreadsheet(signed_in: SignedIn) -> None:
    admin = signed_in("admin")
    assert admin.post("/api/users", account("@SUM(1)", firstName="=cmd|' /C calc'!A0")).status_code == 201
    row = next(
        row for row in table(admin.get("/api/get_users", accept="text/csv"), "users") if "SUM" in row["username"]
    )
    assert (row["username"], row["first_name"]) == ("'@SUM(1)", "'=cmd|' /C calc'!A0")


@pytest.mark.parametrize(
    "accept",
    [
        "application/json", "*/*", "text/html", "application/json, text/csv;q=0.5", "", "text/csv;q=0",
        "text/csv;q=0.000, */*", "text/csv; q=inf", "text/csv;q=1e999", "text/csv;q=-1", "text/csv;q=", "text/csv;q=1;q=0",
    ],
)  # fmt: skip
def test_who_does_not_ask_for_csv_first_gets_json(signed_in: SignedIn, accept: str) -> None:
    answer = signed_in("admin").get("/api/get_users", accept=accept)
    assert answer.headers["content-type"] == "application/json"


def test_the_lists_of_a_plan_are_a_table(signed_in: SignedIn) -> None:
    rows = table(signed_in("analyst").post("/api/build-audience", YOUNG_DRIVERS, accept="text/csv"), "audience")
    assert [(row["ad_set"], row["people"], row["use"], row["group"], row["name"]) for row in rows] == [
        ("1", "795", "include", "1", "age_20-30"),
        ("1", "795", "include", "1", "age_30-40"),
        ("1", "795", "exclude", "", "policy_car_no"),
    ]


def test_a_dsp_account_gets_no_table_of_lists(signed_in: SignedIn) -> None:
    answer = signed_in("buyer").post("/api/build-audience", YOUNG_DRIVERS, accept="text/csv")
    assert answer.status_code == 403
    assert answer.json()["error"] == "This account sees sizes and no lists."

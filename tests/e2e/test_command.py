"""The command, run as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from entrypoints import demo
from tests.served import COMMAND, Browser, serving

CATALOG, CUSTOMERS = str(demo.CATALOG), str(demo.CUSTOMERS)
YOUNG = '{"age": ["20-30"]}'


def run(*arguments: str, stdin: str | bytes = "") -> subprocess.CompletedProcess[str]:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    ran = subprocess.run([COMMAND, *arguments], input=data, capture_output=True, check=False, timeout=60)
    done = subprocess.CompletedProcess(ran.args, ran.returncode, ran.stdout.decode(), ran.stderr.decode())
    assert "Traceback" not in done.stderr
    return done


def documents(ran: subprocess.CompletedProcess[str]) -> list[Any]:
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_plan_as_json_is_the_documented_document() -> None:
    ran = run("plan", "--catalog", CATALOG, "--filter", YOUNG, "--json")
    assert ran.returncode == 0
    assert ran.stderr == ""
    (plan,) = documents(ran)
    assert len(plan.pop("fingerprint")) == 32
    assert plan == {
        "exact": True,
        "clauses": [{"include": [["age_20-30"]], "exclude": [], "direct": {}}],
        "certificate": {"clauses": 1, "segments": 1, "lower_bound": {"clauses": 1, "segments": 1}},
        "reason": None,
        "profile": "include-exclude",
        "notes": [],
    }


def test_a_plan_for_a_platform_and_for_a_file_of_ones_own(tmp_path: Path) -> None:
    ran = run("plan", "--catalog", CATALOG, "--filter", YOUNG, "--profile", "tiktok", "--json")
    (plan,) = documents(ran)
    assert plan["profile"] == "tiktok"
    assert "TikTok takes ad sets of 1000 people or more." in plan["notes"]
    own = tmp_path / "own.json"
    figure = {"value": None, "source": "x", "date": "2026-11-24"}
    names = ["include_groups", "lists_per_group", "include_lists", "exclude_lists", "clauses", "lists", "minimum_size"]
    facts = ["shared_lists", "empty_include_is_everyone", "united_with"]
    document = {"id": "own", "name": "Own", "version": "1"} | dict.fromkeys([*names, *facts], figure)
    own.write_text(json.dumps(document), "utf-8")
    ran = run("plan", "--catalog", CATALOG, "--filter", YOUNG, "--profile", str(own))
    assert "Own: how many people an ad set must reach is not known." in ran.stdout
    own.write_text(json.dumps(document | {"lists": {**figure, "value": 0}}), "utf-8")
    ran = run("plan", "--catalog", CATALOG, "--filter", YOUNG, "--profile", str(own))
    assert ran.returncode == 1
    assert f"{own}: $.lists.value: is too little" in ran.stderr
    ran = run("plan", "--catalog", CATALOG, "--filter", YOUNG, "--profile", str(tmp_path / "none.json"))
    assert ran.returncode == 1
    assert "cannot be read" in ran.stderr


def test_a_plan_explained() -> None:
    ran = run("plan", "--catalog", CATALOG, "--filter", YOUNG, "--explain")
    assert "  include  age_20-30  (included, because age 20-30 is wanted)" in ran.stdout
    (told,) = documents(run("plan", "--catalog", CATALOG, "--filter", YOUNG, "--explain", "--json"))
    assert told["plan"]["exact"] is True
    assert told["explanation"] == [
        {
            "clause": 1,
            "use": "include",
            "group": 1,
            "segment": "age_20-30",
            "why": "included, because age 20-30 is wanted",
        }
    ]


def test_an_inexact_plan_is_an_answer(tmp_path: Path) -> None:
    dimension = {"id": "age", "kind": "single", "values": [{"id": "young"}, {"id": "old"}]}
    segments = [{"id": "young people", "where": {"age": "young"}}]
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps({"name": "x", "version": "1", "dimensions": [dimension], "segments": segments}))
    ran = run("plan", "--catalog", str(catalog), "--filter", '{"age": ["old"]}', "--json")
    assert ran.returncode == 0
    (plan,) = documents(ran)
    assert plan["exact"] is False
    assert plan["reason"]["message"]
    assert plan.keys() >= {"superset", "subset"}
    assert "No exact plan" in run("plan", "--catalog", str(catalog), "--filter", '{"age": ["old"]}').stdout


def test_size_as_json_and_in_words() -> None:
    asked = ("size", "--catalog", CATALOG, "--data", CUSTOMERS, "--filter", "{}")
    assert run(*asked).stdout == "5,822\n"
    assert documents(run(*asked, "--json")) == [{"size": 5822}]


def test_a_filter_at_fault_is_told_on_its_line_and_the_rest_go_on(tmp_path: Path) -> None:
    filters = tmp_path / "filters.jsonl"
    filters.write_bytes(b'{}\n{"agee": []}\n{\n\n{"age": ["\xff"]}\n{"age": ["20-30"]}')
    asked = ("size", "--catalog", CATALOG, "--data", CUSTOMERS, "--filters", str(filters))
    ran = run(*asked, "--json")
    assert ran.returncode == 1
    answers = documents(ran)
    assert [answer.get("size") for answer in answers] == [5822, None, None, None, None, 74]
    assert [answer["errors"][0]["path"] for answer in answers[1:5]] == ["$.agee", "$", "$", "$"]
    words = run(*asked)
    assert words.stdout == "5,822\n74\n"
    assert f"{filters}, line 2: $.agee: there is no such dimension; expected perhaps age" in words.stderr


def test_filters_are_read_from_stdin() -> None:
    ran = run(
        "size", "--catalog", CATALOG, "--data", CUSTOMERS, "--filters", "-", "--json", stdin="{}\n" + YOUNG + "\n"
    )
    assert documents(ran) == [{"size": 5822}, {"size": 74}]


def test_a_filter_that_is_nested_5000_deep_is_refused() -> None:
    deep = '{"not": ' * 5_000 + "{}" + "}" * 5_000
    ran = run("plan", "--catalog", CATALOG, "--filters", "-", stdin=deep)
    assert ran.returncode == 1
    assert "nested more than 32 deep" in ran.stderr


def test_catalog_check_counts_and_checks_data() -> None:
    (found,) = documents(run("catalog", "check", CATALOG, "--data", CUSTOMERS, "--json"))
    assert found["dimensions"] >= 15
    assert (found["rows"], found["size"], found["warnings"]) == (5822, 5822, [])
    assert "is in order: 34 dimensions" in run("catalog", "check", CATALOG).stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON at line 1"),
        (b"{}", "$: Object missing required field `name`"),
        (b'{"name": "a", "version": "1", "dimensions": []}', "$.dimensions: a catalogue has at least one dimension"),
        (b'{"name": "a", "version": 1, "dimensions": []}', "$.version: Expected `str`"),
        (b"[" * 100_000, "nested more than 32 deep"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_catalogue_at_fault_is_told_with_its_place(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "catalog.json"
    path.write_bytes(content)
    ran = run("catalog", "check", str(path))
    assert ran.returncode == 1
    assert said in ran.stderr
    assert documents(run("catalog", "check", str(path), "--json"))[0]["errors"][0]["path"]


def test_a_fault_of_the_catalogue_is_not_taken_for_one_of_the_filter(tmp_path: Path) -> None:
    path = tmp_path / "empty.json"
    path.write_text("")
    asked = ("plan", "--catalog", str(path), "--filter", "{}")
    assert run(*asked).stderr.startswith(f"{path}: $: not JSON")
    assert documents(run(*asked, "--json"))[0]["error"].startswith(f"{path}: ")
    assert str(path) in run("serve", "--demo", "--catalog", str(path), "--data", CUSTOMERS).stderr
    assert "cannot be read" in run("serve", "--demo", "--catalog", str(tmp_path), "--data", CUSTOMERS).stderr


def test_a_name_that_is_no_text_is_shown_with_escapes() -> None:
    ran = run("plan", "--catalog", "no\udcffpe", "--filter", "{}", "--json")
    assert ran.returncode == 1
    assert documents(ran)[0]["errors"][0]["path"] == "no\udcffpe"


def test_output_is_utf_8_whatever_the_locale() -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    command = [COMMAND, "plan", "--catalog", CATALOG, "--filter", '{"ü": []}', "--json"]
    ran = subprocess.run(command, capture_output=True, check=False, env=environ)
    assert json.loads(ran.stdout)["errors"][0]["path"] == '$["ü"]'


@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_a_full_disk_is_told(json_too: list[str]) -> None:
    command = [COMMAND, "plan", "--catalog", CATALOG, "--filter", "{}", *json_too]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 1
    assert "No space left" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    shell = f"set -o pipefail; yes '{{}}' | head -20000 | {COMMAND} plan --catalog {CATALOG} --filters - | head -1"
    ran = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert ran.stdout == "Ad set 1\n"
    assert "Traceback" not in ran.stderr
    assert "Exception" not in ran.stderr


@pytest.mark.parametrize("option", ["--catalog", "--data", "--filters"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, option: str) -> None:
    options = {"--catalog": CATALOG, "--data": CUSTOMERS, "--filters": "-", option: str(tmp_path / "missing.csv")}
    ran = run("size", *(part for pair in options.items() for part in pair))
    assert ran.returncode == 1
    assert "missing.csv" in ran.stderr


def test_data_at_fault_is_told_with_line_and_column(tmp_path: Path) -> None:
    header, first, *_ = Path(CUSTOMERS).read_text().splitlines()
    people = tmp_path / "people.csv"
    people.write_text(f"{header}\n{first}\n99{first[2:]}\n")
    ran = run("catalog", "check", CATALOG, "--data", str(people))
    assert ran.returncode == 1
    assert "people.csv, line 3, column 'MOSTYPE'" in ran.stderr
    assert "99" in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("plan",),
        ("plan", "--catalog", CATALOG),
        ("plan", "--catalog", CATALOG, "--filter", "{}", "--filters", "x"),
        ("plan", "--catalog", CATALOG, "--filter", "{}", "--profile", "nowhere"),
        ("size", "--catalog", CATALOG, "--filter", "{}"),
        ("serve",),
        ("serve", "--demo", "--port", "65536"),
        ("serve", "--demo", "--port", "+1"),
        ("serve", "--demo", "--catalog", CATALOG),
        ("serve", "--demo", "--workers", "0"),
        ("nothing",),
    ],
)
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert "usage:" in ran.stderr


def test_serve_prints_a_fresh_password_that_signs_in_and_stops_when_told() -> None:
    with serving(password=None) as (address, printed):
        password = printed.split("password ")[1].split()[0]
        for username in ("superadmin", "admin", "analyst", "buyer"):
            assert username in printed
            assert Browser(address).sign_in(username, password).status_code == 200
    with serving(password=None) as (_, again):
        assert password not in again


def test_serve_takes_another_population(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.json"
    catalog.write_text(
        '{"name": "fruit", "version": "1", "weight": {"column": "n", "unit": "buyer"}, "segments": [],'
        '"dimensions": [{"id": "fruit", "kind": "single", "values": [{"id": "fig"}, {"id": "kiwi"}]}]}'
    )
    people = tmp_path / "people.csv"
    people.write_text("fruit,n\nfig,1000\nkiwi,234\n")
    with serving("--catalog", str(catalog), "--data", str(people)) as (address, _):
        browser = Browser(address)
        browser.sign_in("analyst")
        audience = browser.post("/api/build-audience", {"audienceFilters": {"fruit": ["fig"]}}).json()
        assert audience["audienceCount"] == 1000
        assert audience["message"].startswith("1,000 buyers.")
        assert audience["exact"] is False


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = run("serve", "--demo", "--port", str(taken.getsockname()[1]))
    assert ran.returncode == 1
    assert "cannot listen here" in ran.stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.requirement(52)
def test_serve_ends_in_order_when_told_to_stop(stop: signal.Signals) -> None:
    process = subprocess.Popen(
        [COMMAND, "serve", "--demo", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    while b"Ctrl-C" not in process.stdout.readline():
        pass
    process.send_signal(stop)
    _, errors = process.communicate(timeout=20)
    assert b"Traceback" not in errors
    assert process.returncode == 0

"""The commands that make populations and ask them, run as processes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from entrypoints import demo
from tests.e2e.test_command import documents, run
from tests.served import COMMAND

if TYPE_CHECKING:
    from pathlib import Path

CATALOG, CUSTOMERS = str(demo.CATALOG), str(demo.CUSTOMERS)
YOUNG = '{"age": ["20-30"]}'
QUESTIONS = ("size", "facets", "profile", "impact")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("built") / "customers.index"
    ran = run("population", "build", CUSTOMERS, "--catalog", CATALOG, "--out", str(path), "--json")
    (report,) = documents(ran)
    assert (report["rows"], report["size"], report["index"]) == (5822, 5822, str(path))
    assert report["bytes"] == path.stat().st_size
    assert ran.stderr == ""
    return str(path)


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_index_answers_as_the_table_does(index: str, question: str) -> None:
    asked = (question, "--catalog", CATALOG, "--filter", YOUNG, "--json", "--data")
    of_table, of_index = documents(run(*asked, CUSTOMERS)), documents(run(*asked, index))
    assert of_table == of_index
    assert of_index[0]["size"] == 74


def test_facets_and_the_others_have_the_documented_form(index: str) -> None:
    found = {
        question: documents(run(question, "--catalog", CATALOG, "--data", index, "--filter", YOUNG, "--json"))[0]
        for question in QUESTIONS
    }
    assert set(found["facets"]) == {"size", "facets"}
    assert sum(found["facets"]["facets"]["age"].values()) == 5822
    assert found["profile"]["profile"]["age"]["20-30"]["population"] == 74
    assert found["impact"] == {
        "size": 74,
        "conditions": [{"position": 0, "dimensions": ["age"], "without": 5822, "cost": 5748}],
    }


def test_answers_in_words(index: str) -> None:
    words = {q: run(q, "--catalog", CATALOG, "--data", index, "--filter", YOUNG).stdout for q in QUESTIONS}
    assert words["size"] == "74\n"
    assert "age: 20-30 74\n" in words["facets"]
    assert "age: 20-30 74, index 7868\n" in words["profile"]
    assert "without condition 1 (age): 5,822\n" in words["impact"]


def test_an_overlap_takes_the_whole_file_as_one_question(index: str, tmp_path: Path) -> None:
    filters = tmp_path / "filters.jsonl"
    filters.write_text(f'{YOUNG}\n{{"age": ["20-30", "30-40"]}}\n', "utf-8")
    asked = ("overlap", "--catalog", CATALOG, "--data", index, "--filters", str(filters))
    (found,) = documents(run(*asked, "--json"))
    assert found["sizes"][0] == found["intersections"][2]["size"] == 74
    assert found["union"] == found["sizes"][1]
    assert "in 1 and 2: 74, in no other: 74\n" in run(*asked).stdout
    filters.write_text(f'{YOUNG}\n{{"aged": []}}\n', "utf-8")
    ran = run(*asked, "--json")
    assert ran.returncode == 1
    assert [line["errors"][0]["path"] for line in documents(ran)] == ["$.aged"]


def test_an_index_of_another_catalogue_is_refused(index: str, tmp_path: Path) -> None:
    other = json.loads(demo.CATALOG.read_text("utf-8")) | {"version": "other"}
    other["dimensions"][0]["values"].reverse()
    (tmp_path / "other.json").write_text(json.dumps(other), "utf-8")
    ran = run("size", "--catalog", str(tmp_path / "other.json"), "--data", index, "--filter", "{}")
    assert ran.returncode == 1
    assert "in another order" in ran.stderr


def test_a_damaged_index_is_found_by_the_check(index: str, tmp_path: Path) -> None:
    assert run("catalog", "check", CATALOG, "--data", index).returncode == 0
    damaged = tmp_path / "damaged.index"
    octets = bytearray((tmp_path / index).read_bytes())
    octets[5000] ^= 1
    damaged.write_bytes(octets)
    ran = run("catalog", "check", CATALOG, "--data", str(damaged), "--json")
    assert ran.returncode == 1
    assert "is damaged: rows 1 to 5822" in documents(ran)[0]["error"]


def test_a_generated_panel_is_checked_built_and_counted(tmp_path: Path) -> None:
    data, catalog = tmp_path / "panel.csv", tmp_path / "panel.catalog.json"
    (made,) = documents(run("population", "generate", "--rows", "500", "--out", str(data), "--json"))
    assert made == {"rows": 500, "data": str(data), "catalog": str(catalog)}
    ran = run("catalog", "check", str(catalog), "--data", str(data))
    assert "500 rows, " in ran.stdout
    assert "of 'city'." in ran.stdout
    again = tmp_path / "again.parquet"
    assert run("population", "generate", "--rows", "500", "--out", str(again), "--seed", "2026").returncode == 0
    sizes = [
        documents(run("facets", "--catalog", str(catalog), "--data", str(each), "--filter", "{}", "--json"))
        for each in (data, again)
    ]
    assert sizes[0] == sizes[1]
    ran = run("population", "generate", "--rows", "5", "--out", str(tmp_path / "panel.xlsx"))
    assert ran.returncode == 1
    assert "a name that ends in .csv or .parquet" in ran.stderr


def test_an_inferred_catalogue_is_in_order_and_reads_its_data(tmp_path: Path) -> None:
    data = tmp_path / "people.csv"
    rows = ["0,Pune,1,0,3", "1,Surat,0,0,0", "2,,1,1,4"]
    data.write_text("\n".join(["and,city,car_1,car_2,devices", *rows]), "utf-8")
    ran = run("catalog", "infer", str(data), "--json")
    (document,) = documents(ran)
    assert ran.stderr == ""
    assert document["weight"] == {"column": "devices", "unit": "person"}
    by_id = {dimension["id"]: dimension for dimension in document["dimensions"]}
    assert [*by_id] == ["and_", "city", "car"]
    assert by_id["and_"] == {
        "id": "and_",
        "label": "And",
        "kind": "single",
        "ordered": True,
        "column": "and",
        "values": [{"id": "0"}, {"id": "1"}, {"id": "2"}],
    }
    assert by_id["city"]["values"] == [{"id": "empty", "code": ""}, {"id": "Pune"}, {"id": "Surat"}]
    assert by_id["car"]["values"] == [{"id": "1", "column": "car_1"}, {"id": "2", "column": "car_2"}]
    catalog = tmp_path / "catalog.json"
    catalog.write_text(run("catalog", "infer", str(data)).stdout, "utf-8")
    (found,) = documents(run("catalog", "check", str(catalog), "--data", str(data), "--json"))
    assert (found["rows"], found["size"], found["segments"]) == (3, 7, 3 + 3 + 2 * 2)


def test_what_is_left_out_of_an_inferred_catalogue_is_told(tmp_path: Path) -> None:
    data = tmp_path / "people.csv"
    data.write_text("\n".join(["id,a.b", *(f"p{i},x" for i in range(301))]), "utf-8")
    ran = run("catalog", "infer", str(data), "--json")
    assert ran.stderr.splitlines() == [
        "'id' is left out: it has more than 300 distinct cells",
        "'a.b' has no lists: its name cannot stand in a template",
    ]
    assert documents(ran)[0]["segments"] == []
    assert run("catalog", "infer", str(tmp_path / "gone.parquet")).returncode == 1


def test_a_terminal_sees_a_bar_and_nothing_else_does(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command: list[Any] = [COMMAND, "population", "generate", "--rows", "10", "--out", tmp_path / "panel.csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        stdout, _ = process.communicate(timeout=60)
    os.close(theirs)
    seen = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "10 rows" in seen
    assert "100%" in seen
    assert seen.endswith("\r\033[K")
    assert b"\r" not in stdout

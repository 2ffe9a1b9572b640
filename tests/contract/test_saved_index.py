"""Saved indexes: opened as they were saved or refused with the reason, and replaced as a whole or not at all."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.population import BitmapIndex, packing, saved
from adapters.population.generated import generate
from adapters.population.replacing import replacing
from segmentation_core import Catalog, DataError, parse_filter
from segmentation_core.listed_people import ListedPeople
from segmentation_core.testing import filters
from tests.contract.populations import plans, tables
from tests.contract.test_population import agree, small_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.population.blocks import Block

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = {
    "name": "test",
    "version": "1",
    "dimensions": [
        {"id": "d", "kind": "single", "values": [{"id": "a"}, {"id": "b"}]},
        {"id": "m", "kind": "multi", "values": [{"id": "c"}]},
    ],
    "weight": {"column": "units"},
}
CATALOG = Catalog.from_json(json.dumps(DOCUMENT))
PEOPLE = [{"d": "ab"[i % 3 == 0], "m": ["c"][: i % 2]} for i in range(300)]
WEIGHTS = [i * i for i in range(300)]
INDEX = BitmapIndex.from_people(CATALOG, PEOPLE, WEIGHTS)
EVERYONE = parse_filter({}, CATALOG)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    INDEX.save(tmp_path / "people.index")
    return tmp_path / "people.index"


def refusal(file: Path, catalog: Catalog = CATALOG) -> str:
    with pytest.raises(DataError) as refused:
        BitmapIndex.open(catalog, file)
    (problem,) = refused.value.problems
    assert problem.path == str(file)
    assert problem.expected
    return problem.message


@pytest.mark.no_cover
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_what_was_saved_counts_like_the_reference(tmp_path: Path, data: st.DataObject) -> None:
    catalog, people, weights = data.draw(tables((0, 1, 64, 129)))
    asked = [data.draw(filters(catalog)) for _ in range(2)]
    with small_blocks(data.draw(st.sampled_from([0, 64]))):
        BitmapIndex.from_people(catalog, people, weights).save(tmp_path / "people.index")
        again = BitmapIndex.load(catalog, tmp_path / "people.index")
        agree(again, ListedPeople(catalog, people, weights), asked, data.draw(plans(catalog)))
    saved.verify(tmp_path / "people.index")


def test_an_index_is_the_same_file_however_it_came_to_be(tmp_path: Path, file: Path) -> None:
    columns = {"d": [p["d"] for p in PEOPLE], "c": [len(p["m"]) for p in PEOPLE], "units": WEIGHTS}
    rows = zip(*columns.values(), strict=True)
    text = "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)])
    (tmp_path / "people.csv").write_text(text, "utf-8")
    BitmapIndex.build(CATALOG, tmp_path / "people.csv", tmp_path / "built.index")
    BitmapIndex.open(CATALOG, file).save(tmp_path / "again.index")
    assert (tmp_path / "built.index").read_bytes() == (tmp_path / "again.index").read_bytes() == file.read_bytes()


def test_a_table_is_built_with_a_block_in_memory_at_a_time(tmp_path: Path) -> None:
    made: list[weakref.ref[Block]] = []

    def blocks() -> Iterator[Block]:
        for _ in range(3):
            assert not any(each() for each in made)
            block = copy.copy(INDEX.blocks[0])
            made.append(weakref.ref(block))
            yield block
            del block

    saved.save(tmp_path / "people.index", CATALOG, blocks())
    assert len(made) == 3


@pytest.mark.parametrize("left", [0, 1, 40, 64, 5000, -1, -100])
def test_a_file_that_is_cut_off_is_refused(file: Path, left: int) -> None:
    file.write_bytes(file.read_bytes()[:left])
    assert refusal(file) in {"is not a saved index", "is cut off, or something was written to it"}


def test_a_file_that_has_grown_or_lost_its_middle_is_refused(file: Path) -> None:
    whole = file.read_bytes()
    for damaged in (whole + b"\0", whole + whole, whole[:4096] + whole[8192:]):
        file.write_bytes(damaged)
        assert refusal(file) == "is cut off, or something was written to it"


def test_a_file_of_something_else_is_refused(file: Path) -> None:
    file.write_bytes(b"PAR1" * 1000)
    assert refusal(file) == "is not a saved index"
    with pytest.raises(DataError, match=r"the file cannot be read: No such file or directory"):
        BitmapIndex.open(CATALOG, file.with_name("gone.index"))
    with pytest.raises(DataError, match=r"the file cannot be read: Is a directory"):
        BitmapIndex.open(CATALOG, file.parent)


def test_a_file_of_another_version_is_refused(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[len(saved.MAGIC) - 1] = 9
    file.write_bytes(whole)
    assert refusal(file) == "has the format 9 of saved indexes, and this version reads 2"
    assert saved.is_saved(file)


def test_contents_that_are_damaged_are_refused(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[-100] ^= 1
    file.write_bytes(whole)
    assert refusal(file) == "its list of contents is damaged"


def test_a_head_that_is_damaged_is_refused(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[40] ^= 1
    file.write_bytes(whole)
    assert refusal(file) == "its list of contents is damaged"


def _with_contents(file: Path, change: Callable[[bytes], bytes]) -> bytes:
    """Return a file with other contents, and the checksum and the lengths that go with them."""
    whole = file.read_bytes()
    size = int.from_bytes(whole[-saved._TAIL :][:8], "little")
    blocks, text = whole[: -saved._TAIL - size], change(whole[-saved._TAIL - size : -saved._TAIL])
    length = len(blocks) + len(text) + saved._TAIL
    digest = hashlib.sha256(blocks[:64] + text).digest()
    tail = len(text).to_bytes(8, "little") + digest + length.to_bytes(8, "little") + saved.MAGIC
    return blocks + text + tail


@pytest.mark.parametrize("member", ["offset", "length", "rows", "words", "bitmaps", "places", "digits", "slices"])
@pytest.mark.parametrize("number", [-1, 0, 3, 7, 4095, 4097, 8192, 2**31, 2**53, 2**63, 2**64, None, 0.5])
def test_a_block_that_cannot_be_where_it_is_said_to_be_is_refused(
    file: Path, member: str, number: float | None
) -> None:
    def change(text: bytes) -> bytes:
        document = json.loads(text)
        document["blocks"][0][member] = number
        return json.dumps(document).encode()

    file.write_bytes(_with_contents(file, change))
    assert refusal(file) == "its list of contents is damaged"


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda _: b"\xff",
        lambda _: b"{}",
        lambda _: b"[" * 10_000,
        lambda text: text[:-1] + b',"_":' + b"[" * 100_000,
        lambda text: text.replace(b"test 1", b"test \xff"),
        lambda text: re.sub(rb'"(rows|length|words|places|digits|slices)":[0-9]+', rb'"\1":0', text),
        lambda text: text.replace(b'"bitmaps":4', b'"bitmaps":3'),
        lambda text: text.replace(b'"rows":300,"blocks"', b'"rows":301,"blocks"'),
        lambda text: text.replace(b'"blocks":[', b'"blocks":[],"_":['),
    ],
)
def test_contents_that_are_not_an_index_are_refused_whatever_their_checksum(
    file: Path, change: Callable[[bytes], bytes]
) -> None:
    INDEX.save(file)
    before = file.read_bytes()
    file.write_bytes(_with_contents(file, change))
    assert file.read_bytes() != before
    assert refusal(file) == "its list of contents is damaged"


@pytest.mark.parametrize(
    "runs", [[], [0], [0, 8], [0, 8, 8], [8, 8, 16], [0, 17, 16], [0, -8, 16], [0, 8, 16, 16], [0, 8, 24], "", None]
)
def test_runs_that_cannot_be_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch, runs: object) -> None:
    monkeypatch.setattr(packing, "WORDS_TO_A_RUN", 0)
    BitmapIndex.from_people(CATALOG, PEOPLE, WEIGHTS).save(file)

    def change(text: bytes) -> bytes:
        document = json.loads(text)
        assert document["blocks"][0]["runs"] == [0, 8, 16]
        document["blocks"][0]["runs"] = runs
        return json.dumps(document).encode()

    file.write_bytes(_with_contents(file, change))
    assert refusal(file) == "its list of contents is damaged"


def test_a_block_without_the_weights_of_its_catalogue_is_refused(file: Path) -> None:
    def change(text: bytes) -> bytes:
        document = json.loads(text)
        block = document["blocks"][0]
        weights = sum(-(-each.nbytes // 64) * 64 for each in INDEX.blocks[0].arrays[2:])
        document["blocks"][0] |= {"digits": 0, "slices": 0, "length": block["length"] - weights}
        return json.dumps(document).encode()

    file.write_bytes(_with_contents(file, change))
    assert refusal(file) == "its list of contents is damaged"


def test_rows_that_are_damaged_are_found_when_all_is_read(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[saved.PAGE + 8] ^= 1
    file.write_bytes(whole)
    assert BitmapIndex.open(CATALOG, file).rows == 300
    with pytest.raises(DataError, match="is damaged: rows 1 to 300 are not as they were written"):
        saved.verify(file)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda d: d["dimensions"][0]["values"].append({"id": "z"}), "'d' has 'z'"),
        (lambda d: d["dimensions"][0]["values"].pop(), "'d' lacks 'b'"),
        (lambda d: d["dimensions"][0]["values"].reverse(), "'d' has its values in another order"),
        (lambda d: d["dimensions"][0]["values"][0].update(code="x"), "a code, a column or the weight has changed"),
        (lambda d: d.pop("weight"), "a code, a column or the weight has changed"),
        (lambda d: d["dimensions"].pop(), "it has no dimension 'm'"),
        (lambda d: d["dimensions"].append({"id": "n", "kind": "single", "values": [{"id": "x"}]}), "'n' is new"),
    ],
)
def test_a_file_of_another_catalogue_is_refused_with_the_first_difference(
    file: Path, change: Callable[[dict[str, Any]], object], difference: str
) -> None:
    document = json.loads(json.dumps(DOCUMENT)) | {"version": "2"}
    change(document)
    message = refusal(file, Catalog.from_json(json.dumps(document)))
    assert message.startswith("was made for the catalogue 'test 1', not 'test 2': ")
    assert message.endswith(difference)


def test_labels_lists_and_versions_do_not_make_an_index_stale(file: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT)) | {"version": "2", "segments": [{"id": "all"}]}
    document["dimensions"][0] |= {"label": "Changed", "ordered": True}
    catalog = Catalog.from_json(json.dumps(document))
    assert BitmapIndex.open(catalog, file).size(parse_filter({}, catalog)) == sum(WEIGHTS)


def test_a_file_that_is_replaced_stays_open_as_it_was(file: Path) -> None:
    before = BitmapIndex.open(CATALOG, file)
    BitmapIndex.from_people(CATALOG, PEOPLE[:10], WEIGHTS[:10]).save(file)
    assert before.size(EVERYONE) == sum(WEIGHTS)
    assert BitmapIndex.open(CATALOG, file).size(EVERYONE) == sum(WEIGHTS[:10])


def test_a_table_at_fault_leaves_the_old_index(file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    (tmp_path / "people.csv").write_text("d,c,units\na,1,1\nx,1,1\n", "utf-8")
    with pytest.raises(DataError, match="there is no value with the code"):
        BitmapIndex.build(CATALOG, tmp_path / "people.csv", file)
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people.csv", "people.index"]


def test_one_file_has_one_writer(file: Path) -> None:
    with replacing(file) as first:
        first.write(b"half")
        with pytest.raises(DataError, match="another process is writing it"):
            INDEX.save(file)
        first.write(b" and half")
    assert file.read_bytes() == b"half and half"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be written: No such file or directory"):
        INDEX.save(tmp_path / "gone" / "people.index")


BUILD = """
import sys
from pathlib import Path
from adapters.population import BitmapIndex
from segmentation_core import Catalog, DataError
folder = Path(sys.argv[1])
catalog = Catalog.from_json((folder / "panel.catalog.json").read_bytes())
print("begun", flush=True)
try:
    for _ in range(int(sys.argv[2])):
        BitmapIndex.build(catalog, folder / "panel.parquet", folder / "panel.index")
except DataError as fault:
    sys.exit(str(fault))
"""


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panel")
    generate(folder / "panel.parquet", 20_000)
    return folder


def building(folder: Path, times: int, first: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", BUILD, str(folder), str(times)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command,
        env=environment,
        stdout=pipe,
        stderr=pipe,
        encoding="utf-8",
        preexec_fn=first,  # noqa: PLW1509  limits
    )


def built(folder: Path) -> None:
    with building(folder, 1) as process:
        assert process.communicate(timeout=60) == ("begun\n", "")
    assert process.returncode == 0


def size_of(folder: Path) -> int:
    catalog = Catalog.from_json((folder / "panel.catalog.json").read_bytes())
    saved.verify(folder / "panel.index")
    return BitmapIndex.open(catalog, folder / "panel.index").size(parse_filter({"income": ["1"]}, catalog))


def test_a_full_disk_leaves_the_old_index(panel: Path) -> None:
    built(panel)
    before = size_of(panel)
    length = (panel / "panel.index").stat().st_size

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (length // 2, length // 2))

    with building(panel, 1, full) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cannot be written: File too large; what was there is unchanged" in said
    assert size_of(panel) == before
    assert not (panel / ".panel.index.part").exists()


def test_a_kill_while_saving_leaves_an_index_that_is_whole(panel: Path) -> None:
    built(panel)
    before = size_of(panel)
    for kill in range(5):
        with building(panel, 1000) as process:
            assert process.stdout
            assert process.stdout.readline() == "begun\n"
            time.sleep(0.02 + 0.17 * kill)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert size_of(panel) == before
    built(panel)
    assert not (panel / ".panel.index.part").exists()
    assert size_of(panel) == before

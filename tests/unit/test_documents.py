from __future__ import annotations

import json
import time
import timeit
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core import DocumentError, documents, parse_json
from segmentation_core.documents import MAX_DEPTH, at

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**399) + 1, 10**399)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
    max_leaves=20,
)


def refused(text: str | bytes) -> str:
    """Return the message of the one problem that `parse_json` finds, after at most 2 seconds."""
    start = time.perf_counter()
    with pytest.raises(DocumentError) as caught:
        parse_json(text)
    assert time.perf_counter() - start < 2
    (problem,) = caught.value.problems
    assert problem.path == "$"
    return problem.message


def depth(document: object) -> int:
    parts = document.values() if isinstance(document, dict) else document
    return 1 + max(map(depth, parts), default=0) if isinstance(parts, (list, type({}.values()))) else 0


@given(JSON, st.booleans(), st.sampled_from([None, 1]), st.booleans())
def test_what_was_written_is_read(document: object, ascii_only: bool, indent: int | None, as_bytes: bool) -> None:  # noqa: FBT001
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    if depth(document) > MAX_DEPTH:
        assert "nested" in refused(text)
    else:
        read = parse_json(text.encode() if as_bytes else text)
        assert read == document
        assert json.dumps(read) == json.dumps(document), "1, 1.0 and true are not the same"


@given(st.text() | st.binary())
def test_any_text_is_read_as_json_reads_it_or_refused(text: str | bytes) -> None:
    try:
        read = parse_json(text)
    except DocumentError:
        return
    assert json.dumps(read) == json.dumps(json.loads(text))


@given(st.text(alphabet='[]{}":,\\u d83e019-.eEtrufalsn'))
def test_text_that_is_nearly_json_is_read_as_json_reads_it_or_refused(text: str) -> None:
    test_any_text_is_read_as_json_reads_it_or_refused.hypothesis.inner_test(text)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"[":', "}]")])
@pytest.mark.requirement(27)
def test_documents_nest_32_deep_and_no_deeper(opening: str, closing: str) -> None:
    brackets = len(closing)
    times = MAX_DEPTH // brackets
    assert depth(parse_json(opening * times + "1" + closing * times)) == MAX_DEPTH
    for deeper in (33, 5_000, 100_000):
        assert "nested more than 32 deep" in refused(opening * deeper + "1" + closing * deeper)
        assert "nested more than 32 deep" in refused((opening * deeper).encode())


def test_the_depth_can_be_chosen() -> None:
    assert parse_json("[[]]", max_depth=2) == [[]]
    with pytest.raises(DocumentError, match="nested more than 1 deep"):
        parse_json("[[]]", max_depth=1)


def test_brackets_in_strings_and_beside_each_other_do_not_nest() -> None:
    assert parse_json(json.dumps("[" * 100)) == "[" * 100
    assert parse_json(json.dumps(['"[\\' * 50])) == ['"[\\' * 50]
    assert parse_json("[" + ",".join(["[]"] * 100) + "]") == [[]] * 100
    assert parse_json("[" + ",".join(['{"a":1}'] * 100) + "]") == [{"a": 1}] * 100


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '[{"b":{"x":1,"y":2,"x":3}}]',
        '{"\\u0061":1,"a":2}',
        '{"":1,"":1}',
    ],
)
@pytest.mark.requirement(30)
def test_a_key_that_stands_twice_is_refused(text: str) -> None:
    assert "stands twice in one object" in refused(text)


def test_a_key_may_stand_in_two_objects() -> None:
    assert parse_json('[{"a":{"a":1}},{"a":2}]') == [{"a": {"a": 1}}, {"a": 2}]


def test_the_key_that_stands_twice_is_told() -> None:
    assert refused('{"a":1,"b":2,"b":3}') == 'the key "b" stands twice in one object'


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.requirement(27)
def test_what_is_no_number_of_json_is_refused(number: str) -> None:
    assert refused(f'{{"a":[{number}]}}') == f"{number} is not JSON"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1.5E+400", "1" + "0" * 350 + ".5"])
@pytest.mark.requirement(27)
def test_a_number_past_the_range_of_a_double_is_refused(number: str) -> None:
    assert "is out of range" in refused(f"[{number}]")


def test_numbers_within_the_range_are_kept() -> None:
    assert parse_json("[1e308, 1e-999, -0.0, 18446744073709551617]") == [1e308, 0.0, -0.0, 2**64 + 1]


def test_an_integer_has_at_most_400_digits() -> None:
    assert parse_json("9" * 400) == 10**400 - 1
    assert refused("9" * 401) == "a number of 401 digits"
    assert refused("9" * 1_000_000) == "a number of 1000000 digits"


@pytest.mark.parametrize(
    "text",
    [
        '"\\ud800"',
        '["a", {"b": "\\uDC00"}]',
        '{"\\ud83d": 1}',
        '"\\ude00\\ud83d"',
        '"\ud800"',
        '{"\udfff": 1}',
        '"\ud800\\udc00"',
    ],
)
@pytest.mark.requirement(27)
def test_half_of_a_surrogate_pair_is_refused_escaped_or_raw(text: str) -> None:
    assert refused(text) == "a string holds half of a surrogate pair"


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert parse_json('"\\ud83d\\ude97"') == "🚗"
    assert parse_json('"🚗 \\u0041"') == "🚗 A"


@pytest.mark.parametrize(
    ("text", "byte"), [(b'"\xff"', 1), (b'["a\xc3"]', 3), (b'"\xed\xa0\x80"', 1), ('"é"'.encode("latin-1"), 1)]
)
@pytest.mark.requirement(27)
def test_bytes_that_are_not_utf_8_are_refused(text: bytes, byte: int) -> None:
    assert refused(text) == f"byte {byte} is not UTF-8"


def test_a_byte_order_mark_is_skipped_in_bytes_and_refused_in_text() -> None:
    assert parse_json(b"\xef\xbb\xbf[1]") == [1]
    assert "not JSON" in refused("\ufeff[1]")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
def test_other_encodings_are_refused(encoding: str) -> None:
    refused('{"a": [1]}'.encode(encoding))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "line 1, column 1"),
        ("[1,\n 2,\n 3", "line 3, column 3"),
        ("[1] x", "line 1, column 5"),
        ('{"a": tru}', "line 1, column 7"),
        ("[1,]", "line 1, column"),
        ("['a']", "line 1, column 2"),
        ('"a\nb"', "line 1, column 3"),
        ("[01]", "line 1, column 3"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(text: str, place: str) -> None:
    assert refused(text).startswith(f"not JSON at {place}")


TEN_MB = 10_000_000


@pytest.mark.parametrize(
    "text",
    [
        b"\x00" * TEN_MB,
        b"\xff" * TEN_MB,
        b"[" * TEN_MB,
        b"}" * TEN_MB,
        b'"' * TEN_MB,
        b'"' + b"[" * TEN_MB,
        b"1" * TEN_MB,
        b"1e" * (TEN_MB // 2),
        b"\\" * TEN_MB,
        b" " * TEN_MB,
        "é[".encode() * (TEN_MB // 3),
    ],
    ids=lambda text: repr(text[:4]),
)
def test_ten_megabytes_of_garbage_are_refused_within_two_seconds(text: bytes) -> None:
    refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 40 + '"' + '\\"' * 500_000,
        '["' + "[" * 40 + '\\"' * 500_000,
        "[" * 40 + '"\\' * 500_000,
        '"' + "\\\\" * 500_000 + "[" * 40 + "\\",
        "{" + ",".join(f'"k{i}":1' for i in range(100_000)) + ',"k99999":1}',
        "{" + ",".join('"k":1' for _ in range(100_000)) + "}",
        '"' + "\\ud800" * 300_000 + '"',
    ],
    ids=["deep", "escaped quotes", "ends", "backslashes", "last key twice", "one key", "halves"],
)
def test_the_time_to_refuse_grows_with_the_length_and_not_with_its_square(text: str) -> None:
    refused(text)


@given(st.text(max_size=80), st.integers(0, 10**6))
def test_a_path_tells_every_step_apart(key: str, index: int) -> None:
    assert at("$.a", index) == f"$.a[{index}]"
    path = at("$", key)
    assert path != at("$", index)
    assert path == f"$.{key}" or json.loads(path.removeprefix("$[").removesuffix("]")) == key


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("in", "$.in"),
        ("_a1", "$._a1"),
        ("1", '$["1"]'),
        ("a b", '$["a b"]'),
        ('"', '$["\\""]'),
        ("é", '$["é"]'),
        ("a\n", '$["a\\n"]'),
    ],
)
def test_a_plain_key_follows_a_dot_and_any_other_stands_in_brackets(key: str, path: str) -> None:
    assert at("$", key) == path


def test_a_path_shows_long_keys_shortened_and_half_characters_as_escapes() -> None:
    assert at("$", "a" * 80) == "$." + "a" * 80
    assert at("$", "a" * 5_000) == '$["' + "a" * 79 + '…"]'
    assert at("$", "é") == '$["é"]'
    assert at("$", "\ud800") == '$["\\ud800"]'


@pytest.mark.requirement(27, 31)
def test_to_tell_how_deep_a_megabyte_of_brackets_nests_is_cheaper_than_to_read_it() -> None:
    text = "[" + "[]," * 333_000 + "[]]"

    def least_time(work: Callable[[], object]) -> float:
        return min(timeit.repeat(work, number=1, repeat=5, timer=time.process_time))

    assert least_time(lambda: documents._refuse_deep(text, MAX_DEPTH)) < least_time(lambda: json.loads(text))


def test_brackets_that_nothing_closes_nest_too() -> None:
    deep = "[1," * 20 + "[" * 13
    assert "nested more than 32 deep" in refused(deep)
    assert "not JSON" in refused(deep[:-1])
    assert "nested more than 32 deep" in refused("[1," * MAX_DEPTH + '{"a":1},' + "[")
    assert "not JSON" in refused("]" * 50 + "[]")

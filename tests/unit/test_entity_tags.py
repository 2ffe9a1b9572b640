"""The text of a list, encoded entry by entry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.http.entity_tags import encoded
from entrypoints.http.pages import Page
from entrypoints.http.presets import PresetList, VersionDetails, VersionsAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    max_leaves=10,
)
versions = st.builds(
    VersionDetails,
    version=st.integers(1, 9),
    preset_name=st.text(),
    preset_filter_json=st.dictionaries(st.text(), json),
    changed_date=st.just(datetime(2026, 1, 1, tzinfo=UTC)),
    changed_by=st.text(),
)


@given(found=st.lists(versions, max_size=4), total=st.integers(0, 500))
def test_a_list_has_the_text_that_it_has_as_a_whole(found: list[VersionDetails], total: int) -> None:
    answer = VersionsAnswer(tuple(found), total, Page(2, 4).of(total))
    assert encoded(answer) == msgspec.json.encode(answer)
    assert encoded(PresetList((), 0)) == b'{"presets":[],"count":0}'


def test_no_two_entries_are_encoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole: Callable[[object], bytes] = msgspec.json.encode
    at_once: list[object] = []

    def noted(value: Any) -> bytes:  # noqa: ANN401  whatever is encoded
        at_once.append(value)
        return whole(value)

    entries = tuple(VersionDetails(n, "p", {}, datetime(2026, 1, 1, tzinfo=UTC), "ana") for n in range(9))
    answer = VersionsAnswer(entries, 9, Page(1, 9).of(9))
    monkeypatch.setattr(msgspec.json, "encode", noted)
    text = encoded(answer)
    assert [value for value in at_once if isinstance(value, VersionDetails)] == [*entries]
    assert not [value for value in at_once if isinstance(value, tuple)]
    assert text == whole(answer)

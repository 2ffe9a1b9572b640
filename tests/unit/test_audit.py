"""The audit trail: chains that show what was changed, taken out, moved or cut off."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from segmentation_core.audit import (
    FIRST_SEAL,
    AuditQuery,
    ChainCheck,
    ChainEnd,
    Entry,
    Head,
    Record,
    broken,
    head_of,
    sealed,
)
from segmentation_core.errors import Forbidden
from segmentation_core.usecases import Acting
from tests.unit.house import AUDIT_KEY, House, People

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def chain(length: int, company_id: int | None = 7) -> list[Record]:
    records: list[Record] = []
    head: Head | None = None
    for i in range(length):
        entry = Entry("done", 1, "Ana", company_id, f"thing {i}", NOW, before={"n": i}, after={"n": i + 1})
        records.append(sealed(entry, head, AUDIT_KEY))
        head = head_of(records[-1])
    return records


@given(st.integers(0, 6))
def test_a_chain_that_nobody_touched_is_whole_and_holds_each_head_it_had(length: int) -> None:
    records = chain(length)
    assert broken(records, AUDIT_KEY) == []
    for record in records:
        assert broken(records, AUDIT_KEY, exported=head_of(record)) == []
    assert [record.number for record in records] == [*range(1, length + 1)]


@given(st.data())
@pytest.mark.requirement(50)
def test_an_edit_a_deletion_and_a_swap_are_found_where_they_were_made(data: st.DataObject) -> None:
    records = chain(data.draw(st.integers(2, 6)))
    at = data.draw(st.integers(0, len(records) - 2))
    edited = [*records]
    field, value = data.draw(
        st.sampled_from([("actor", "Bo"), ("subject", "x"), ("after", {"n": -1}), ("at", NOW.replace(year=2025)), ("request_id", "r"), ("company_id", 8)])
    )  # fmt: skip
    edited[at] = replace(records[at], entry=replace(records[at].entry, **{field: value}))
    (problem,) = broken(edited, AUDIT_KEY)
    assert f"record {at + 1}" in problem.path
    assert broken(records[:at] + records[at + 1 :], AUDIT_KEY)
    swapped = [*records]
    swapped[at], swapped[at + 1] = swapped[at + 1], swapped[at]
    assert broken(swapped, AUDIT_KEY)
    renumbered = [replace(record, number=i) for i, record in enumerate(records[:at] + records[at + 1 :], 1)]
    assert broken(renumbered, AUDIT_KEY)
    assert broken(records, b"b" * 32)


@pytest.mark.requirement(50)
def test_a_cut_tail_is_found_against_a_head_and_not_without() -> None:
    records = chain(5)
    head = head_of(records[-1])
    assert broken(records[:3], AUDIT_KEY) == []
    (problem,) = broken(records[:3], AUDIT_KEY, exported=head)
    assert problem.path == "chain of company 7"
    assert str(problem).endswith("ends after record 3; expected record 5, as was exported")
    (problem,) = broken([], AUDIT_KEY, exported=replace(head, company_id=None))
    assert problem.path == "chain of no company"


def test_a_record_before_the_first_is_told_and_the_chain_goes_on_as_if_it_were_not_there() -> None:
    records = chain(2)
    for number in (0, -7):
        (problem,) = broken([replace(records[1], number=number), *records], AUDIT_KEY)
        assert problem.path == f"chain of company 7, record {number}"
        assert "before the first record" in problem.message


@pytest.mark.parametrize("length", [0, 3])
def test_the_head_that_a_store_keeps_is_the_last_record(length: int) -> None:
    records = chain(length)
    last = head_of(records[-1]) if records else None

    def told(head: Head | None) -> list[str]:
        check = ChainCheck(7, AUDIT_KEY)
        for record in records:
            check.add(record)
        check.add_end(ChainEnd(7, head, last))
        return [str(problem) for problem in check.end()]

    whole = last or Head(7, 0, FIRST_SEAL)
    assert told(whole) == []
    for head, said in (
        (replace(whole, number=length + 1), f"ends after record {length}, and its head is at record {length + 1}"),
        (replace(whole, number=length - 1), f"ends after record {length}, and its head is at record {length - 1}"),
        (replace(whole, seal="é"), "another seal than its last record"),
        (None, f"has {length} records and no head"),
    ):
        (problem,) = told(head)
        assert problem.startswith("chain of company 7: ")
        assert said in problem


def test_of_ends_exported_with_one_number_each_is_held() -> None:
    records = chain(3)
    right, wrong = head_of(records[1]), replace(head_of(records[1]), seal="é")
    for exported in ([right, wrong], [wrong, right]):
        check = ChainCheck(7, AUDIT_KEY, exported)
        for record in records:
            check.add(record)
        (problem,) = check.end()
        assert problem.path == "chain of company 7, record 2"
        assert check.last == head_of(records[-1])


def test_a_tail_that_was_made_again_is_not_the_one_exported() -> None:
    records = chain(3)
    again = sealed(replace(records[2].entry, actor="Bo"), head_of(records[1]), AUDIT_KEY)
    assert broken([*records[:2], again], AUDIT_KEY) == []
    (problem,) = broken([*records[:2], again], AUDIT_KEY, exported=head_of(records[2]))
    assert "not the record that was the last one" in problem.message


@pytest.mark.anyio
async def test_admins_read_their_companys_records_the_newest_first() -> None:
    house = House()
    people = await People.of(house)
    await house.presets.create(people.user, "one", {"audienceFilters": {}})
    found, total = await house.audit(people.admin, AuditQuery(), offset=0, limit=2)
    assert [record.entry.action for record in found] == ["preset created", "user created"]
    assert total == 5
    assert {record.entry.company_id for record in found} == {people.admin.user.company_id}
    found, total = await house.audit(people.root, AuditQuery(action="user created"), offset=0, limit=9)
    assert total == len(found) == 5
    assert {record.entry.company_id for record in found} == {
        people.admin.user.company_id,
        people.stranger.user.company_id,
    }
    assert (await house.audit(people.root, AuditQuery(actor="user"), offset=0, limit=9))[1] == 1
    now = house.clock.time
    assert (await house.audit(people.root, AuditQuery(since=now), offset=0, limit=9))[1] == 6
    assert (await house.audit(people.root, AuditQuery(until=now), offset=0, limit=9))[1] == 0
    for nobody in (people.user, people.manager):
        with pytest.raises(Forbidden):
            await house.audit(nobody, AuditQuery(), offset=0, limit=9)


@pytest.mark.anyio
async def test_a_dsp_account_reads_no_segment_lists_of_presets() -> None:
    house = House()
    people = await People.of(house)
    document = {"audienceFilters": {"car": ["yes"]}, "segments": {"included": ["car_yes"]}}
    preset = (await house.presets.create(people.user, "one", document)).preset
    await house.presets.change(people.user, preset.id, name="two")
    blind = Acting(replace(people.admin.user, dsp=True))
    for reader, shown in ((blind, {"audienceFilters": document["audienceFilters"]}), (people.admin, document)):
        found, _ = await house.audit(reader, AuditQuery(actor="user"), offset=0, limit=9)
        told = [part["document"] for one in found for part in (one.entry.before, one.entry.after) if part]
        assert told == [shown] * 3

"""What every count of what happened lately promises."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from segmentation_core.ports import Work
from segmentation_core.users import ALL_COMPANIES

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WITHIN = timedelta(minutes=15)


async def hit(work: Work, key: str, at: datetime = NOON) -> int:
    return await work.run(ALL_COMPANIES, lambda stores: stores.throttle.hit(key, at, WITHIN))


async def count(work: Work, key: str, at: datetime = NOON) -> int:
    return await work.run(ALL_COMPANIES, lambda stores: stores.throttle.count(key, at, WITHIN))


@pytest.mark.requirement(26)
async def test_hits_of_a_key_are_counted_and_of_no_other(work: Work) -> None:
    assert [await hit(work, "a") for _ in range(3)] == [1, 2, 3]
    assert await hit(work, "b") == 1
    assert (await count(work, "a"), await count(work, "b"), await count(work, "A")) == (3, 1, 0)


async def test_what_is_longer_ago_or_later_does_not_count(work: Work) -> None:
    await hit(work, "a", NOON - WITHIN)
    await hit(work, "a", NOON - WITHIN + timedelta(microseconds=1))
    await hit(work, "a", NOON + timedelta(microseconds=1))
    assert await count(work, "a") == 1
    assert await hit(work, "a") == 2


@pytest.mark.requirement(40)
async def test_of_many_at_once_each_is_counted_after_another(work: Work) -> None:
    assert sorted(await asyncio.gather(*(hit(work, "a") for _ in range(16)))) == [*range(1, 17)]


async def test_a_hit_of_work_that_fails_is_none(work: Work) -> None:
    async def fail() -> None:
        async def action(stores):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            await stores.throttle.hit("a", NOON, WITHIN)
            raise ZeroDivisionError

        await work.run(ALL_COMPANIES, action)

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await count(work, "a") == 0


async def test_clearing_and_forgetting(work: Work) -> None:
    for key in ("a", "b"):
        await hit(work, key)
        await hit(work, key, NOON - timedelta(minutes=1))
    await work.run(ALL_COMPANIES, lambda stores: stores.throttle.clear("a"))
    await work.run(ALL_COMPANIES, lambda stores: stores.throttle.forget(NOON))
    assert (await count(work, "a"), await count(work, "b")) == (0, 1)

"""What every count of what happened lately promises."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from adapters.postgres import PostgresWork
from segmentation_core.errors import Forbidden
from segmentation_core.ports import Stores, Work
from segmentation_core.throttling import SOON, UNDER_WAY, Limit, Refused, Taken
from segmentation_core.users import ALL_COMPANIES, Scope
from tests.contract.examples import AUDIT_KEY
from tests.postgres import Database

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WITHIN = timedelta(minutes=15)
TICK = timedelta(microseconds=1)
A, B = Limit("a", 3), Limit("b", 5)


async def begin(work: Work, *limits: Limit, at: datetime = NOON) -> Taken | Refused:
    return await work.run(ALL_COMPANIES, lambda stores: stores.throttle.take(limits, at, WITHIN))


async def take(work: Work, *limits: Limit, at: datetime = NOON) -> Taken | Refused:
    """Take places for what fails at once."""
    taken = await begin(work, *limits, at=at)
    if isinstance(taken, Taken):
        await fail(work, taken)
    return taken


async def fail(work: Work, taken: Taken | Refused) -> None:
    assert isinstance(taken, Taken)
    await work.run(ALL_COMPANIES, lambda stores: stores.throttle.fail(taken))


async def free(work: Work, limit: Limit, at: datetime = NOON) -> int:
    """Return how many places are free, and leave them so."""
    found: list[int] = []

    async def count(stores: Stores) -> None:
        while not isinstance(await stores.throttle.take([limit], at, WITHIN), Refused):
            found.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work.run(ALL_COMPANIES, count)
    return len(found)


@pytest.mark.requirement(26, 41)
async def test_so_many_places_are_taken_under_a_key_and_no_more(work: Work) -> None:
    assert all([isinstance(await take(work, A), Taken) for _ in range(3)])
    assert await take(work, A) == Refused(WITHIN)
    assert (await free(work, B), await free(work, Limit("A", 3))) == (5, 3)


async def test_where_one_key_is_full_no_place_is_taken_under_the_others(work: Work) -> None:
    for _ in range(3):
        await take(work, B, A)
    assert await take(work, B, A) == Refused(WITHIN)
    assert await free(work, B) == 2


@pytest.mark.requirement(41)
async def test_a_place_ends_to_the_microsecond_and_refusals_prolong_nothing(work: Work) -> None:
    for minutes in (0, 1, 2):
        await take(work, A, at=NOON + timedelta(minutes=minutes))
    for seconds in range(180, 890, 10):
        at = NOON + timedelta(seconds=seconds)
        assert await take(work, A, at=at) == Refused(NOON + WITHIN - at)
    assert await take(work, A, at=NOON + WITHIN - TICK) == Refused(TICK)
    assert isinstance(await take(work, A, at=NOON + WITHIN), Taken)
    assert await take(work, A, at=NOON + WITHIN) == Refused(timedelta(minutes=1))


async def test_of_several_full_keys_the_last_to_have_room_is_told(work: Work) -> None:
    await take(work, Limit("a", 1), at=NOON)
    await take(work, Limit("b", 1), at=NOON + timedelta(minutes=5))
    assert await take(work, Limit("a", 1), Limit("b", 1), at=NOON + timedelta(minutes=6)) == Refused(
        timedelta(minutes=14)
    )


async def test_a_limit_that_was_lowered_waits_for_all_that_are_too_many(work: Work) -> None:
    for minutes in (0, 1, 2):
        await take(work, A, at=NOON + timedelta(minutes=minutes))
    assert await take(work, Limit("a", 2), at=NOON + timedelta(minutes=2)) == Refused(timedelta(minutes=14))


async def test_what_a_clock_before_ours_took_counts(work: Work) -> None:
    for _ in range(3):
        await take(work, A, at=NOON + timedelta(seconds=1))
    assert await take(work, A) == Refused(WITHIN + timedelta(seconds=1))


async def test_what_is_under_way_counts_and_its_end_is_told_as_soon(work: Work) -> None:
    taken = [await begin(work, A, at=NOON + n * TICK) for n in range(3)]
    at = NOON + UNDER_WAY
    assert await begin(work, A, at=at - TICK) == Refused(SOON, under_way=True)
    await fail(work, taken[0])
    await fail(work, taken[1])
    assert await begin(work, A, at=at + TICK) == Refused(SOON, under_way=True)
    await fail(work, taken[2])
    assert await begin(work, A, at=at) == Refused(WITHIN - UNDER_WAY)


async def test_what_is_under_way_for_too_long_counts_as_failed(work: Work) -> None:
    for _ in range(3):
        await begin(work, A)
    assert await begin(work, A, at=NOON + UNDER_WAY - TICK) == Refused(SOON, under_way=True)
    assert await begin(work, A, at=NOON + UNDER_WAY) == Refused(WITHIN - UNDER_WAY)


async def test_one_that_has_to_wait_for_failures_is_not_told_to_come_back_soon(work: Work) -> None:
    for _ in range(3):
        await begin(work, A)
    for _ in range(5):
        await take(work, B)
    assert await begin(work, A, B) == await begin(work, B, A) == Refused(WITHIN)


async def test_what_was_given_back_has_not_failed(work: Work) -> None:
    taken = await begin(work, A)
    assert isinstance(taken, Taken)
    await work.run(ALL_COMPANIES, lambda stores: stores.throttle.give_back(taken))
    await fail(work, taken)
    assert await free(work, A) == 3


async def test_what_is_given_back_is_free_once(work: Work) -> None:
    taken = [await take(work, A, B) for _ in range(3)]
    for _ in range(2):
        given = taken[1]
        assert isinstance(given, Taken)
        await work.run(ALL_COMPANIES, lambda stores, given=given: stores.throttle.give_back(given))  # type: ignore[misc]
        assert (await free(work, A), await free(work, B)) == (1, 3)


async def test_places_of_work_that_fails_stay_free(work: Work) -> None:
    async def fail(stores: Stores) -> None:
        await stores.throttle.take([A], NOON, WITHIN)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work.run(ALL_COMPANIES, fail)
    assert await free(work, A) == 3


async def test_clearing_and_forgetting(work: Work) -> None:
    for limit in (A, B):
        await take(work, limit)
        await take(work, limit, at=NOON - timedelta(minutes=1))
    await work.run(ALL_COMPANIES, lambda stores: stores.throttle.clear("a"))
    assert (await free(work, A), await free(work, B)) == (3, 3)
    await work.run(ALL_COMPANIES, lambda stores: stores.throttle.forget(NOON))
    assert await free(work, B) == 4


async def test_a_company_has_no_counts(work: Work) -> None:
    taken = await take(work, A)
    assert isinstance(taken, Taken)
    reaches: tuple[Callable[[Stores], Awaitable[object]], ...] = (
        lambda stores: stores.throttle.take([A], NOON, WITHIN),
        lambda stores: stores.throttle.give_back(taken),
        lambda stores: stores.throttle.fail(taken),
        lambda stores: stores.throttle.clear("a"),
        lambda stores: stores.throttle.forget(NOON + WITHIN),
    )
    for reach in reaches:
        with pytest.raises(Forbidden):
            await work.run(Scope(1), reach)
    assert await free(work, A) == 2


@pytest.mark.requirement(40)
async def test_of_many_at_once_no_more_than_the_limit_come_through(work: Work) -> None:
    limits = [Limit("many", 7), Limit("more", 20)]
    outcomes = await asyncio.gather(*(take(work, *limits[:: 1 if n % 2 else -1]) for n in range(40)))
    assert sum(isinstance(outcome, Taken) for outcome in outcomes) == 7
    assert await free(work, limits[1]) == 13


@pytest.mark.requirement(40)
async def test_of_many_at_once_on_several_replicas_no_more_come_through(database: Database) -> None:
    pools = [PostgresWork(database.app_url, AUDIT_KEY, min_connections=1, max_connections=4) for _ in range(3)]
    for pool in pools:
        await pool.open()
    try:
        attempts = [take(pool, Limit(f"name {n % 4}", 5), Limit("address", 17)) for n in range(20) for pool in pools]
        outcomes = await asyncio.gather(*attempts)
    finally:
        for pool in pools:
            await pool.close()
    assert sum(isinstance(outcome, Taken) for outcome in outcomes) == 17

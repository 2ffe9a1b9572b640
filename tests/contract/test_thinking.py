"""Questions about filters: one at a time, and nobody waits for one account's for ever."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from adapters.thinking import InlineThinking, ThreadedThinking
from segmentation_core.errors import Overloaded, TooComplex

if TYPE_CHECKING:
    from segmentation_core.ports import Thinking

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[InlineThinking, ThreadedThinking])
def thinking(request: pytest.FixtureRequest) -> Thinking:
    return request.param()  # type: ignore[no-any-return]


async def test_a_question_is_answered_or_raises(thinking: Thinking) -> None:
    def complex_one() -> int:
        raise TooComplex("takes too many steps")

    assert await thinking.answer(lambda: 42, by=1) == 42
    assert await thinking.read(lambda: 43, by=1) == 43
    for asked in (thinking.answer, thinking.read):
        with pytest.raises(TooComplex):
            await asked(complex_one, by=1)


async def test_no_two_questions_are_worked_out_at_once(thinking: Thinking) -> None:
    lock, threads = threading.Lock(), set()

    def alone() -> None:
        assert lock.acquire(blocking=False)
        threads.add(threading.get_ident())
        time.sleep(0.001)
        lock.release()

    await asyncio.gather(*(thinking.answer(alone, by=number) for number in range(30)))
    assert len(threads) == 1


async def test_the_event_loop_goes_on_meanwhile() -> None:
    ended = threading.Event()
    answer = asyncio.ensure_future(ThreadedThinking().answer(lambda: ended.wait(5), by=1))
    await asyncio.sleep(0.05)
    assert not answer.done()
    ended.set()
    assert await answer


async def test_one_account_keeps_a_few_places_and_all_together_a_number() -> None:
    thinking, ended = ThreadedThinking(waiting=6, of_one=4), threading.Event()
    asked = [asyncio.ensure_future(thinking.answer(ended.wait, by=1)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await thinking.answer(lambda: None, by=1)
    asked += [asyncio.ensure_future(thinking.answer(ended.wait, by=by)) for by in (2, 3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await thinking.answer(lambda: None, by=4)
    ended.set()
    await asyncio.gather(*asked)
    await asyncio.sleep(0)
    assert await thinking.answer(lambda: 1, by=1) == 1


async def test_a_question_that_nobody_waits_for_any_more_keeps_its_place_until_it_ends() -> None:
    thinking, ended = ThreadedThinking(of_one=1), threading.Event()
    asked = asyncio.ensure_future(thinking.answer(ended.wait, by=1))
    await asyncio.sleep(0.01)
    asked.cancel()
    await asyncio.sleep(0.01)
    with pytest.raises(Overloaded):
        await thinking.answer(lambda: None, by=1)
    ended.set()
    async with asyncio.timeout(5):
        while True:
            try:
                assert await thinking.answer(lambda: 1, by=1) == 1
            except Overloaded:
                await asyncio.sleep(0.01)
            else:
                break


async def test_a_short_question_is_worked_out_in_passing_and_never_beside_another() -> None:
    thinking, here, ended = ThreadedThinking(), threading.get_ident(), threading.Event()
    assert await thinking.answer(threading.get_ident, by=1, short=True) == here
    long_one = asyncio.ensure_future(thinking.answer(lambda: ended.wait(10), by=1))
    await asyncio.sleep(0.05)
    short_one = asyncio.ensure_future(thinking.answer(threading.get_ident, by=2, short=True))
    await asyncio.sleep(0.05)
    assert not short_one.done()
    ended.set()
    assert await long_one
    assert await short_one == here
    assert await thinking.answer(threading.get_ident, by=1) != here


@pytest.mark.requirement(32)
async def test_accounts_are_served_in_turn() -> None:
    thinking, ended, served = ThreadedThinking(), threading.Event(), list[str]()
    asked: list[asyncio.Future[Any]] = [asyncio.ensure_future(thinking.answer(ended.wait, by=1))]
    for by, names in ((1, ["1a", "1b", "1c"]), (2, ["2a", "2b"]), (3, ["3a"])):
        asked += [asyncio.ensure_future(thinking.answer(partial(served.append, name), by=by)) for name in names]
    await asyncio.sleep(0)
    ended.set()
    await asyncio.gather(*asked)
    assert served == ["2a", "1a", "3a", "2b", "1b", "1c"]


async def test_what_nobody_waits_for_any_more_before_its_turn_is_not_worked_out() -> None:
    thinking, ended, served = ThreadedThinking(of_one=3), threading.Event(), list[str]()
    first = asyncio.ensure_future(thinking.answer(ended.wait, by=1))
    await asyncio.sleep(0)
    given_up = [asyncio.ensure_future(thinking.answer(lambda: served.append("x"), by=1)) for _ in range(2)]
    await asyncio.sleep(0)
    for one in given_up:
        one.cancel()
    await asyncio.sleep(0)
    asked = asyncio.ensure_future(thinking.answer(lambda: served.append("1"), by=1))
    await asyncio.sleep(0)
    ended.set()
    await asyncio.gather(first, asked)
    assert served == ["1"]


async def test_who_gives_up_when_the_turn_has_come_leaves_it_to_the_next() -> None:
    thinking, ended = ThreadedThinking(), threading.Event()
    first = asyncio.ensure_future(thinking.answer(ended.wait, by=1))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(thinking.answer(lambda: 2, by=2))
    third = asyncio.ensure_future(thinking.answer(lambda: 3, by=3))
    await asyncio.sleep(0)
    first.add_done_callback(lambda _: second.cancel())
    ended.set()
    async with asyncio.timeout(5):
        assert await third == 3
        assert await thinking.answer(lambda: 2, by=2) == 2


async def test_texts_do_not_wait_for_filters() -> None:
    thinking, ended = ThreadedThinking(), threading.Event()
    planned = asyncio.ensure_future(thinking.answer(ended.wait, by=1))
    async with asyncio.timeout(5):
        assert await thinking.read(lambda: "a text", by=1) == "a text"
    assert not planned.done()
    ended.set()
    await planned

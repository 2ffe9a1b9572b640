"""Questions about filters: one at a time, and nobody waits for one account's for ever."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

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
    with pytest.raises(TooComplex):
        await thinking.answer(complex_one, by=1)


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


async def test_a_short_question_is_worked_out_at_once_unless_another_is_being() -> None:
    thinking, here, ended = ThreadedThinking(), threading.get_ident(), threading.Event()
    assert await thinking.answer(threading.get_ident, by=1, short=True) == here
    long_one = asyncio.ensure_future(thinking.answer(lambda: ended.wait(10), by=1))
    await asyncio.sleep(0.05)
    short_one = asyncio.ensure_future(thinking.answer(threading.get_ident, by=2, short=True))
    await asyncio.sleep(0.05)
    assert not short_one.done()
    ended.set()
    assert await long_one
    assert await short_one != here

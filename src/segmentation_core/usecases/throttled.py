"""Attempts of which those count that fail: how their places are taken, and given back."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from segmentation_core.errors import SegmentationError, Unavailable
from segmentation_core.throttling import WITHIN, Limit, require_taken
from segmentation_core.users import ALL_COMPANIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from segmentation_core.ports import Stores, Work
    from segmentation_core.throttling import Refused, Taken

T = TypeVar("T")


class Attempt(msgspec.Struct, Generic[T], frozen=True):
    """Something that is tried: what it is about, its limits, and those whose counts a success lets begin anew."""

    subject: T
    limits: tuple[Limit, ...]
    clears: tuple[Limit, ...] = ()


@asynccontextmanager
async def throttled(
    work: Work, now: datetime, find: Callable[[Stores], Awaitable[Attempt[T]]], *, failure: type[SegmentationError]
) -> AsyncIterator[T]:
    """Let the attempt that `find` returns be made, unless too many failed lately, and give what it is about.

    Its places are kept where it ends with `failure`, as those of one that failed. However else it ends, they are given
    back: with a success, a fault of ours, or cut off by the deadline of its request; those that cannot be given back
    end by themselves. Raises Throttled where there is no place, and what `find` raises.
    """

    async def take(stores: Stores) -> tuple[Attempt[T], Taken | Refused]:
        attempt = await find(stores)
        await stores.throttle.forget(now - WITHIN)
        return attempt, await stores.throttle.take(attempt.limits, now, WITHIN)

    attempt, outcome = await work.run(ALL_COMPANIES, take)
    taken = require_taken(outcome)
    try:
        yield attempt.subject
    except failure:
        with suppress(Unavailable):
            await work.run(ALL_COMPANIES, lambda stores: stores.throttle.fail(taken))
        raise
    except BaseException:  # what cuts a request off is no Exception, and cuts off once
        await _give_back(work, taken)
        raise
    await _give_back(work, taken, attempt.clears)


async def _give_back(work: Work, taken: Taken, clear: Sequence[Limit] = ()) -> None:
    async def give_back(stores: Stores) -> None:
        await stores.throttle.give_back(taken)
        for limit in clear:
            await stores.throttle.clear(limit.key)

    with suppress(Unavailable):
        await work.run(ALL_COMPANIES, give_back)

"""What is asked of the population: sizes, and nothing but sizes, so every account may ask."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation

from adapters.population.threads import stopping
from entrypoints.http.access import access
from entrypoints.http.requests import ApiRequest
from segmentation_core.documents import at
from segmentation_core.errors import Problem, RequestError
from segmentation_core.permissions import BUILD_AUDIENCES
from segmentation_core.population import MOST_OVERLAPPING, AudienceProfile, Facets, Impact, Overlap, Population
from segmentation_core.ports import Thinking
from segmentation_core.usecases import Asked, ReadFilters

T = TypeVar("T")


class Asking(msgspec.Struct, frozen=True):
    """What questions are answered by: one dependency, since of several Litestar makes a task each, at every request."""

    read_filters: ReadFilters
    population: Population
    counting: Thinking


Questions = NamedDependency[SkipValidation[Asking]]


class FilterRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The people that are meant: `audienceFilters` (dimension -> values) or `filter` (the full language), one of them.

    In the full language `{"preset": id}` stands for a saved filter. `segments` and `metadata` are the client's own and
    change nothing.
    """

    audienceFilters: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET  # noqa: N815  the frontend's name
    filter: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    segments: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None

    @property
    def asked(self) -> Asked:
        """The filter as it was sent. Raises RequestError where there is none, or two."""
        chosen, document = self.audienceFilters, self.filter
        if (chosen is msgspec.UNSET) == (document is msgspec.UNSET):
            expected = "one of audienceFilters and filter"
            message = "there is no filter" if chosen is msgspec.UNSET else "there are two filters"
            raise RequestError(Problem("$", message, expected=expected))
        if document is msgspec.UNSET:
            return Asked(chosen, "$.audienceFilters", choices=True)
        return Asked(document, "$.filter")


class Size(msgspec.Struct, frozen=True):
    """How many people are meant, in the unit of the population."""

    size: int


class OverlapRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The audiences that are compared, each a filter in the full language, of which the compact form is a part."""

    filters: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1, max_length=MOST_OVERLAPPING)]


@post(
    "/api/audience/size",
    opt=access(BUILD_AUDIENCES, "nobody's"),
    status_code=200,
    operation_id="sizeAudience",
    summary="How many people a filter means",
)
async def size(request: ApiRequest, data: JSONBody[FilterRequest], asking: Questions) -> Size:
    """Count the audience, and plan nothing."""
    read = await asking.read_filters.one(request.acting, data.asked)
    return Size(await counted(asking.counting, request.user.id, lambda: asking.population.size(read())))


@post(
    "/api/audience/facets",
    opt=access(BUILD_AUDIENCES, "nobody's"),
    status_code=200,
    operation_id="facetAudience",
    summary="What every checkbox would come to",
)
async def facets(request: ApiRequest, data: JSONBody[FilterRequest], asking: Questions) -> Facets:
    """Return, for each value of each dimension, the size if it alone were chosen of its dimension."""
    read = await asking.read_filters.one(request.acting, data.asked)
    return await counted(asking.counting, request.user.id, lambda: asking.population.facets(read()))


@post(
    "/api/audience/profile",
    opt=access(BUILD_AUDIENCES, "nobody's"),
    status_code=200,
    operation_id="profileAudience",
    summary="How an audience differs from the population",
)
async def profile(request: ApiRequest, data: JSONBody[FilterRequest], asking: Questions) -> AudienceProfile:
    """Return the share of each value in the audience and in the population, and the index (100 = same)."""
    read = await asking.read_filters.one(request.acting, data.asked)
    return await counted(asking.counting, request.user.id, lambda: asking.population.profile(read()))


@post(
    "/api/audience/overlap",
    opt=access(BUILD_AUDIENCES, "nobody's"),
    status_code=200,
    operation_id="overlapAudiences",
    summary="How audiences overlap",
)
async def overlap(request: ApiRequest, data: JSONBody[OverlapRequest], asking: Questions) -> Overlap:
    """Return the sizes of all intersections of some audiences."""
    asked = [Asked(document, at("$.filters", position)) for position, document in enumerate(data.filters)]
    read = await asking.read_filters.several(request.acting, *asked)
    return await counted(asking.counting, request.user.id, lambda: asking.population.overlap(read()))


@post(
    "/api/audience/impact",
    opt=access(BUILD_AUDIENCES, "nobody's"),
    status_code=200,
    operation_id="impactOfConditions",
    summary="What each condition costs",
)
async def impact(request: ApiRequest, data: JSONBody[FilterRequest], asking: Questions) -> Impact:
    """Return the size without each of the conditions that all must hold."""
    read = await asking.read_filters.one(request.acting, data.asked)
    return await counted(asking.counting, request.user.id, lambda: asking.population.impact(read()))


async def counted(counting: Thinking, account: int, question: Callable[[], T]) -> T:
    """Return what a question is answered, asked beside the event loop; it is stopped where nobody waits any more."""
    gone = Event()

    def asked() -> T:
        stopping.set(gone)
        return question()

    try:
        return await counting.answer(asked, by=account)
    finally:
        gone.set()

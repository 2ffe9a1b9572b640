"""Building an audience, and the catalogue that it is chosen from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation

from entrypoints.http.access import access
from entrypoints.http.csv_tables import csv_table, wants_csv
from entrypoints.http.questions import FilterRequest
from entrypoints.http.requests import ApiRequest
from segmentation_core.catalog import Catalog
from segmentation_core.permissions import BUILD_AUDIENCES, SEE_LISTS, require
from segmentation_core.planning import INCLUDE_EXCLUDE, Certificate, Clause, Nearest, Plan, Reason
from segmentation_core.population import PlanSize
from segmentation_core.usecases import Audience, BuildAudience, ExplainPlan, Explanation, ReadFilters


class AudienceRequest(FilterRequest, frozen=True, forbid_unknown_fields=True):
    """The wanted people: `audienceFilters` (dimension -> values) or `filter` (the full language), one of the two.

    In the full language `{"preset": id}` stands for a saved filter. `profile` names the platform to plan for.
    `segments` and `metadata` are the client's own and change nothing.
    """

    profile: str = INCLUDE_EXCLUDE.id


class Building(msgspec.Struct, frozen=True):
    """What audiences are built by. It is one dependency: of several Litestar makes a task each, for every request."""

    read_filters: ReadFilters
    build_audience: BuildAudience
    explain_plan: ExplainPlan
    catalog: Catalog


class CountedClause(msgspec.Struct, frozen=True):
    """One ad set, and how many people it reaches."""

    include: tuple[tuple[str, ...], ...]
    exclude: tuple[str, ...]
    direct: dict[str, tuple[str, ...]]
    count: int

    @classmethod
    def of(cls, clause: Clause, count: int) -> CountedClause:
        """Return the clause with its count."""
        return cls(clause.include, clause.exclude, clause.direct, count)


class BuildMetadata(msgspec.Struct, frozen=True):
    """When, by whom and against what the audience was built. The totals count lists; a dsp account gets none."""

    built_at: datetime
    built_by: str
    catalog: str
    fingerprint: str
    total_inclusion: int | msgspec.UnsetType = msgspec.UNSET
    total_exclusion: int | msgspec.UnsetType = msgspec.UNSET


class AudienceSize(msgspec.Struct, frozen=True):
    """An audience for an account that may not see lists."""

    audienceCount: int  # noqa: N815
    message: str
    metadata: BuildMetadata


class AudienceAnswer(msgspec.Struct, frozen=True):
    """An audience with its plan.

    The two flat lists are the whole plan where it has one clause, and empty where they could only mislead. `profile` is
    the platform that was planned for, `notes` say on which unknown figures of it the plan leans.
    """

    audienceCount: int  # noqa: N815
    inclusionSegments: tuple[str, ...]  # noqa: N815
    exclusionSegments: tuple[str, ...]  # noqa: N815
    exact: bool
    message: str
    clauses: tuple[CountedClause, ...]
    certificate: Certificate | None
    metadata: BuildMetadata
    profile: str
    notes: tuple[str, ...]
    reason: Reason | msgspec.UnsetType = msgspec.UNSET
    superset: Nearest | msgspec.UnsetType | None = msgspec.UNSET
    subset: Nearest | msgspec.UnsetType | None = msgspec.UNSET


@post(
    "/api/build-audience",
    opt=access(BUILD_AUDIENCES, "nobody's"),
    status_code=200,
    operation_id="buildAudience",
    summary="Count an audience and get its lists",
)
async def build(
    request: ApiRequest,
    data: JSONBody[AudienceRequest],
    building: NamedDependency[SkipValidation[Building]],
) -> Response[AudienceAnswer | AudienceSize]:
    """Return how many people the filter means, and the lists to include and to exclude that mean exactly the same.

    To `Accept: text/csv` the answer is the lists of the plan, a row for each.
    """
    as_csv = wants_csv(request)
    if as_csv:
        require(SEE_LISTS, request.user)
    wanted = await building.read_filters.one(request.acting, data.asked)
    audience = await building.build_audience(request.acting, wanted, data.profile)
    if as_csv and audience.plan and audience.plan_size:
        rows = list_rows(audience.plan, audience.plan_size, building.catalog, audience.id_key)
        return csv_table(rows, "audience")
    return Response(answer(audience, building.catalog))


@post(
    "/api/audience/explain",
    opt=access(SEE_LISTS, "nobody's"),
    status_code=200,
    operation_id="explainAudience",
    summary="Why each list is in a plan",
)
async def explain(
    request: ApiRequest,
    data: JSONBody[AudienceRequest],
    building: NamedDependency[SkipValidation[Building]],
) -> Explanation:
    """Return the plan of a filter, and of each list in it why it is there. Nobody is counted."""
    wanted = await building.read_filters.one(request.acting, data.asked)
    return await building.explain_plan(request.acting, wanted, data.profile)


@get(
    "/api/catalog",
    opt=access(BUILD_AUDIENCES, "nobody's"),
    operation_id="getCatalog",
    summary="The catalogue of categories",
)
async def get_catalog(request: ApiRequest, catalog: NamedDependency[SkipValidation[Catalog]]) -> dict[str, Any]:
    """Return the catalogue file; without its segments for a dsp account."""
    if request.user.may_see_lists:
        return catalog.document
    return {key: part for key, part in catalog.document.items() if key != "segments"}


def list_rows(plan: Plan, sizes: PlanSize, catalog: Catalog, id_key: str) -> Iterator[Sequence[object]]:
    """Give the lists of a plan as a table: a row for each list or value of each ad set, the id on the platform too."""
    yield "ad_set", "people", "use", "group", "name", "platform_id"
    for number, (clause, size) in enumerate(zip(plan.clauses, sizes.clauses, strict=True), 1):
        for place, group in enumerate(clause.include, 1):
            for name in group:
                yield number, size, "include", place, name, catalog.segment[name].external_ids.get(id_key)
        for name in clause.exclude:
            yield number, size, "exclude", None, name, catalog.segment[name].external_ids.get(id_key)
        for dimension, values in clause.direct.items():
            for value in values:
                yield number, size, "target", None, f"{dimension}: {value}", None


def answer(audience: Audience, catalog: Catalog) -> AudienceAnswer | AudienceSize:
    """Return what a client is told of an audience."""
    unit = catalog.weight.unit if catalog.weight else "person"
    people = f"{audience.count:,} {_counted(unit, audience.count)}"
    metadata = BuildMetadata(
        built_at=audience.built_at,
        built_by=audience.built_by,
        catalog=catalog.title,
        fingerprint=audience.fingerprint,
    )
    plan, sizes = audience.plan, audience.plan_size
    if plan is None or sizes is None:
        return AudienceSize(audience.count, f"{people}.", metadata)
    only = plan.clauses[0] if len(plan.clauses) == 1 else None
    included = tuple(name for group in only.include for name in group) if only else ()
    excluded = only.exclude if only else ()
    return AudienceAnswer(
        audienceCount=audience.count,
        inclusionSegments=included,
        exclusionSegments=excluded,
        exact=plan.exact,
        message=f"{people}. {_advice(plan)}",
        clauses=tuple(CountedClause.of(*pair) for pair in zip(plan.clauses, sizes.clauses, strict=True)),
        certificate=plan.certificate,
        profile=plan.profile,
        notes=plan.notes,
        metadata=msgspec.structs.replace(metadata, total_inclusion=len(included), total_exclusion=len(excluded)),
        reason=plan.reason or msgspec.UNSET,
        superset=plan.superset,
        subset=plan.subset,
    )


def _advice(plan: Plan) -> str:
    if plan.reason:
        return plan.reason.message
    if not plan.clauses:
        return "Nobody can match this filter, so there is nothing to upload."
    if len(plan.clauses) > 1:
        return f"{len(plan.clauses)} ad sets, which share nobody: one cannot say this."
    (clause,) = plan.clauses
    included = sum(map(len, clause.include))
    parts = [f"include {included} {_counted('list', included)}"]
    if clause.exclude:
        parts.append(f"exclude {len(clause.exclude)}")
    parts += [f"target {name} directly" for name in clause.direct]
    return f"One ad set: {', '.join(parts)}."


def _counted(noun: str, count: int) -> str:
    if count == 1:
        return noun
    return "people" if noun == "person" else f"{noun}s"

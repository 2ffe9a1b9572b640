"""What the service counts and times, for Prometheus.

The registry is our own, so that nothing is told that we did not mean to tell: labels are route templates, methods,
statuses and names of questions, never an address, a name or an id.

Several workers share what they count in files of one folder, so that each of them tells of all.
"""

from __future__ import annotations

import asyncio
import os
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from segmentation_core.errors import PlanMismatch
from segmentation_core.planning import INCLUDE_EXCLUDE, Plan, plan_audience
from segmentation_core.population import Population
from segmentation_core.usecases import Acting, Audience, BuildAudience, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from adapters.cache import LruAnswers
    from segmentation_core.catalog import Catalog
    from segmentation_core.filters import Filter
    from segmentation_core.planning import Profile
    from segmentation_core.population import AudienceProfile, Facets, Impact, Overlap, PlanSize, SampledRow

T = TypeVar("T")

SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"})

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client looks for the folder."""

_WORKER: Final = "worker_{number}_{pid}"


def share_counts(folder: Path, number: int) -> None:
    """Count in a folder from now on, as the worker of a number, which no other one that runs has.

    It is for a process that has counted nothing yet. Counts of a worker of that number that has ended go on.
    """
    os.environ[_FOLDER] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
    (folder / _WORKER.format(number=number, pid=os.getpid())).touch()


def forget_worker(folder: Path, number: int) -> None:
    """Tell of a worker that has ended what it has counted, and no more how it is."""
    mark_process_dead(number, str(folder))  # type: ignore[no-untyped-call]
    for file in folder.glob(_WORKER.format(number=number, pid="*")):
        file.unlink()


class Metrics:
    """The counts and times of one process, or of all workers where they are shared."""

    def __init__(self, answers: LruAnswers) -> None:
        """Take the cache, of which it tells too."""
        self.registry = CollectorRegistry()
        self._answers = answers
        self._pool_use: Callable[[], dict[str, int]] = dict
        self._cache_told = {"hit": 0, "miss": 0}
        self.requests = Counter(
            "segmentation_requests",
            "Requests answered, by route template.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "segmentation_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.plan_seconds = Histogram(
            "segmentation_plan_seconds", "Time to plan an audience.", buckets=SECONDS, registry=self.registry
        )
        self.count_seconds = Histogram(
            "segmentation_count_seconds",
            "Time that the population takes to answer.",
            ("question",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.throttled_sign_ins = Counter(
            "segmentation_throttled_sign_ins", "Sign-ins refused for too many failed ones.", registry=self.registry
        )
        self.plan_mismatches = Counter(
            "segmentation_plan_mismatches",
            "Plans called exact that reached another number of people than their filter; none was sent.",
            registry=self.registry,
        )
        self._of = cache(self._labelled)  # as many as the registry keeps itself
        self._cache = Counter(
            "segmentation_cache", "Built audiences asked of the cache.", ("outcome",), registry=self.registry
        )
        self._cache_answers = Gauge(
            "segmentation_cache_answers",
            "Built audiences in the cache.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._pool = Gauge(
            "segmentation_pool_connections",
            "Connections to the database, by what they do.",
            ("state",),
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._told = self.registry
        folder = os.environ.get(_FOLDER)
        if folder:
            self._told = CollectorRegistry()
            MultiProcessCollector(self._told, folder)  # type: ignore[no-untyped-call]
            self._told.register(_Processes(Path(folder)))
        else:
            ProcessCollector(registry=self.registry)
        self.refresh()

    def _labelled(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return self.requests.labels(method, route, str(status)), self.request_seconds.labels(method, route)

    def watch_pool(self, pool_use: Callable[[], dict[str, int]]) -> None:
        """Tell of a pool of connections too."""
        self._pool_use = pool_use
        self.refresh()

    async def run(self) -> None:
        """Refresh each second, until cancelled: other workers tell of this one too."""
        while True:
            await asyncio.sleep(1)
            self.refresh()

    def refresh(self) -> None:
        """Note how the cache and the pool are now."""
        for outcome, number in (("hit", self._answers.hits), ("miss", self._answers.misses)):
            self._cache.labels(outcome).inc(number - self._cache_told[outcome])
            self._cache_told[outcome] = number
        self._cache_answers.set(len(self._answers))
        for state, number in self._pool_use().items():
            self._pool.labels(state).set(number)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note that a request was answered; a method that HTTP does not have is told as `other`."""
        known = method if method in METHODS else "other"
        requests, request_seconds = self._of(known, route, status)
        requests.inc()
        request_seconds.observe(seconds)
        if route == "/api/auth/login" and status == HTTPStatus.TOO_MANY_REQUESTS:
            self.throttled_sign_ins.inc()

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        self.refresh()
        return generate_latest(self._told)

    def plan(self, wanted: Filter, catalog: Catalog, *, profile: Profile) -> Plan:
        """Plan an audience, and note how long it took."""
        with self.plan_seconds.time():
            return plan_audience(wanted, catalog, profile=profile)


class CountedBuilds(BuildAudience):
    """Counts the plans that were refused for reaching another number of people than their filter."""

    def __init__(self, metrics: Metrics, **parts: Any) -> None:  # noqa: ANN401  those of BuildAudience
        super().__init__(plan=metrics.plan, **parts)
        self._mismatches = metrics.plan_mismatches

    async def __call__(self, by: Acting, asked: Reading, profile: str = INCLUDE_EXCLUDE.id) -> Audience:
        """Build an audience."""
        try:
            return await super().__call__(by, asked, profile)
        except PlanMismatch:
            self._mismatches.inc()
            raise


class TimedPopulation(Population):
    """A population that notes how long it takes to answer."""

    def __init__(self, population: Population, metrics: Metrics) -> None:
        self._population = population
        self._seconds = {name: metrics.count_seconds.labels(name) for name in _QUESTIONS}

    @property
    def rows(self) -> int:
        return self._population.rows

    def size(self, wanted: Filter) -> int:
        return self._timed("size", partial(self._population.size, wanted))

    def sizes(self, wanted: Sequence[Filter]) -> tuple[int, ...]:
        return self._timed("sizes", partial(self._population.sizes, wanted))

    def facets(self, wanted: Filter) -> Facets:
        return self._timed("facets", partial(self._population.facets, wanted))

    def profile(self, wanted: Filter) -> AudienceProfile:
        return self._timed("profile", partial(self._population.profile, wanted))

    def overlap(self, wanted: Sequence[Filter]) -> Overlap:
        return self._timed("overlap", partial(self._population.overlap, wanted))

    def impact(self, wanted: Filter) -> Impact:
        return self._timed("impact", partial(self._population.impact, wanted))

    def plan_size(self, plan: Plan) -> PlanSize:
        return self._timed("plan_size", partial(self._population.plan_size, plan))

    def sample(self, wanted: Filter, rows: int) -> tuple[SampledRow, ...]:
        return self._timed("sample", partial(self._population.sample, wanted, rows))

    def _timed(self, question: str, ask: Callable[[], T]) -> T:
        begun = perf_counter()
        try:
            return ask()
        finally:
            self._seconds[question].observe(perf_counter() - begun)


_QUESTIONS: Final = ("size", "sizes", "facets", "profile", "overlap", "impact", "plan_size", "sample")


class _Processes(Collector):
    """Reads how the workers' processes are, each under its number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for file in sorted(self._folder.glob(_WORKER.format(number="*", pid="*"))):
            _, number, pid = file.name.split("_")
            for family in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                told = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    told.add_sample(sample.name, {**sample.labels, "worker": number}, sample.value)
        return families.values()

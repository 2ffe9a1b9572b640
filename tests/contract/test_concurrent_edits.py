"""Of 16 clients that edit the same presets at once, through one pool of connections or several, none loses an edit."""

from __future__ import annotations

import asyncio
import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from adapters.memory import MemoryWork
from adapters.postgres import PostgresWork
from segmentation_core.audit import Record, broken
from segmentation_core.errors import Stale
from segmentation_core.ports import Stores, Work
from segmentation_core.presets import Preset, PresetVersion
from segmentation_core.usecases import Acting
from segmentation_core.users import ALL_COMPANIES
from tests.contract.acting import Side
from tests.contract.examples import AUDIT_KEY
from tests.postgres import VERSIONS, Server
from tests.unit.house import HandClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

pytestmark = pytest.mark.anyio

CLIENTS = 16
PRESETS = 3
EDITS = {"dev": 5, "ci": 20, "nightly": 200}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]
"""By each client."""

POOLS = [
    pytest.param((version.values[0], pools), id=f"{version.id} through {pools}", marks=version.marks)
    for version in VERSIONS
    for pools in (1, 4)
]


class Clients:
    """Clients of some presets of one company: half of them its Admin, half a SuperAdmin."""

    def __init__(self, works: Sequence[Work]) -> None:
        clock = HandClock()
        self.sides = [Side(works[number % len(works)], clock) for number in range(CLIENTS)]
        self.presets: list[Preset] = []
        self._people: list[Acting] = []

    async def begin(self) -> None:
        side = self.sides[0]
        root = await side.root()
        admin = await side.add(root, "admin", "Admin", "Acme")
        self._people = [admin, Acting(root)]
        for number in range(PRESETS):
            view = await side.presets.create(admin, f"preset {number}", marked([]))
            self.presets.append(view.preset)

    async def read(self, client: int, preset: Preset) -> Preset:
        return (await self.sides[client].presets.get(self._who(client), preset.id)).preset

    async def write(self, client: int, preset: Preset, marks: list[str], version: int | None = None) -> int:
        """Write marks, and return the version that they have become."""
        versions = None if version is None else {version}
        changing = self.sides[client].presets.change(
            self._who(client), preset.id, sent=marked(marks), versions=versions
        )
        return (await changing).preset.version

    async def append(self, client: int, preset: Preset, mark: str) -> int:
        """Append a mark to those that are there, and return how often what was read was stale."""
        stale = 0
        while True:
            seen = await self.read(client, preset)
            await asyncio.sleep(0)  # in memory nobody else has a turn otherwise
            try:
                await self.write(client, preset, [*marks_of(seen), mark], seen.version)
            except Stale:
                stale += 1
            else:
                return stale

    async def histories(self) -> list[list[PresetVersion]]:
        """Return all versions of each preset, the oldest first."""

        async def read(stores: Stores) -> list[list[PresetVersion]]:
            return [(await stores.presets.versions(preset.id, limit=10_000))[::-1] for preset in self.presets]

        return await self.sides[0].work.run(ALL_COMPANIES, read)

    async def recorded(self, preset: Preset) -> list[tuple[int, int]]:
        """Return the version before and after each recorded change of a preset, having seen all chains whole."""

        async def read(stores: Stores) -> list[Record]:
            chains = [
                await stores.audit.chain(end.company_id, after=None, limit=100_000) for end in await stores.audit.ends()
            ]
            assert [broken(chain, AUDIT_KEY) for chain in chains] == [[]] * len(chains)
            return [record for chain in chains for record in chain]

        entries = [record.entry for record in await self.sides[0].work.run(ALL_COMPANIES, read)]
        return sorted(
            (entry.before["version"], entry.after["version"])
            for entry in entries
            if entry.subject == f"preset {preset.id}" and entry.before and entry.after
        )

    def _who(self, client: int) -> Acting:
        return self._people[client % 2]


def marked(marks: list[str]) -> dict[str, Any]:
    return {"filter": {"car": ["yes"]}, "metadata": {"marks": marks}}


def marks_of(preset: Preset | PresetVersion) -> list[str]:
    marks: list[str] = preset.document["metadata"]["marks"]
    return marks


@pytest.fixture(params=[pytest.param(None, id="memory"), *POOLS])
async def clients(request: pytest.FixtureRequest, server: Callable[[int], Server]) -> AsyncIterator[Clients]:
    if request.param is None:
        made = Clients([MemoryWork(AUDIT_KEY)])
        await made.begin()
        yield made
        return
    version, pools = request.param
    running = server(version)
    database = running.database()
    works = [PostgresWork(database.app_url, AUDIT_KEY, max_connections=CLIENTS // pools) for _ in range(pools)]
    for work in works:
        await work.open()
    made = Clients(works)
    await made.begin()
    yield made
    for work in works:
        await work.close()
    running.drop(database)


@pytest.mark.requirement(34)
async def test_with_versions_no_edit_is_lost_and_none_is_applied_twice(clients: Clients) -> None:
    async def edit(client: int) -> list[tuple[int, str, int]]:
        drawn, done = Random(client), []
        for number in range(EDITS):
            place, mark = drawn.randrange(PRESETS), f"{client}.{number}"
            done.append((place, mark, await clients.append(client, clients.presets[place], mark)))
        return done

    told = [one for edits in await asyncio.gather(*map(edit, range(CLIENTS))) for one in edits]
    assert sum(stale for _, _, stale in told) > 0
    for place, (preset, history) in enumerate(zip(clients.presets, await clients.histories(), strict=True)):
        acknowledged = [mark for at, mark, _ in told if at == place]
        marks = marks_of(history[-1])
        assert sorted(marks) == sorted(acknowledged)
        assert [version.version for version in history] == [*range(1, len(acknowledged) + 2)]
        assert [marks_of(version) for version in history] == [marks[:length] for length in range(len(marks) + 1)]
        assert await clients.read(0, preset) == await clients.read(1, preset)
        assert await clients.recorded(preset) == [(number, number + 1) for number in range(1, len(marks) + 1)]


async def test_without_versions_the_last_one_wins_and_the_history_has_all(clients: Clients) -> None:
    async def overwrite(client: int) -> list[tuple[int, str, int]]:
        drawn, done = Random(client), []
        for number in range(EDITS):
            place, mark = drawn.randrange(PRESETS), f"{client}.{number}"
            done.append((place, mark, await clients.write(client, clients.presets[place], [mark])))
        return done

    told = [one for edits in await asyncio.gather(*map(overwrite, range(CLIENTS))) for one in edits]
    for place, (preset, history) in enumerate(zip(clients.presets, await clients.histories(), strict=True)):
        written = sorted((version, [mark]) for at, mark, version in told if at == place)
        assert [(version.version, marks_of(version)) for version in history] == [(1, []), *written]
        now = await clients.read(0, preset)
        assert (now.version, marks_of(now)) == written[-1]
        assert len(await clients.recorded(preset)) == len(written)


@pytest.mark.requirement(34)
async def test_two_hundred_who_read_add_one_and_write_back_make_two_hundred(clients: Clients) -> None:
    preset = clients.presets[0]

    async def add_ones(client: int) -> None:
        for number in range(client, 200, CLIENTS):
            await clients.append(client, preset, f"{number}")

    await asyncio.gather(*map(add_ones, range(CLIENTS)))
    now = await clients.read(0, preset)
    assert now.version == 201
    assert sorted(map(int, marks_of(now))) == [*range(200)]


async def test_of_two_that_have_read_the_same_the_second_overwrites_the_first_unless_it_tells_the_version(
    clients: Clients,
) -> None:
    preset = clients.presets[0]
    mine, theirs = await clients.read(0, preset), await clients.read(1, preset)
    assert await clients.write(0, preset, [*marks_of(mine), "mine"], mine.version) == 2
    with pytest.raises(Stale, match="is at version 2 by now, not 1"):
        await clients.write(1, preset, [*marks_of(theirs), "theirs"], theirs.version)
    assert marks_of(await clients.read(0, preset)) == ["mine"]
    assert await clients.write(1, preset, [*marks_of(theirs), "theirs"]) == 3
    (history, *_) = await clients.histories()
    assert [marks_of(version) for version in history] == [[], ["mine"], ["theirs"]]

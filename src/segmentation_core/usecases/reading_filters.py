"""Reading the filters of a question, with the presets that they refer to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from segmentation_core.filters import Filter, parse_choices
from segmentation_core.presets import may_read
from segmentation_core.references import MOST_PRESETS, References, references_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmentation_core.catalog import Catalog
    from segmentation_core.ports import Stores, Work
    from segmentation_core.presets import Preset
    from segmentation_core.usecases.acting import Acting
    from segmentation_core.users import User


_MOST_SHORT: Final = 200
_MOST_SEVERAL: Final = 2
_MOST_COMBINED: Final = 64
"""How many values, multi dimensions with several, and combinations of these a short filter has at the most.

Of a national panel it takes 0.1 ms to plan and count one; with two such dimensions 1 ms, of a hundred the longest 3 ms.
"""


class Asked(msgspec.Struct, frozen=True):
    """A filter as it was asked for: a document that stands at `path`.

    `choices` tells that it has the compact form alone, as a dashboard sends it with all of its fields.
    """

    document: object
    path: str = "$.filter"
    choices: bool = False


class Reading(msgspec.Struct, frozen=True):
    """What reads a filter where it is called. `short` says that it is read and planned within about a millisecond."""

    read: Callable[[], Filter]
    short: bool = False

    def __call__(self) -> Filter:
        """Read the filter."""
        return self.read()


class ReadFilters:
    """Read filters against the catalogue. What refers to no preset is read without a look at the stores."""

    def __init__(self, work: Work, catalog: Catalog) -> None:
        self._work = work
        self._catalog = catalog

    async def one(self, by: Acting, asked: Asked) -> Reading:
        """Return what reads a filter; as `several`."""
        read = await self.several(by, asked)
        return Reading(lambda: read()[0], short=asked.choices and _is_short(asked.document, self._catalog))

    async def several(self, by: Acting, *asked: Asked) -> Callable[[], tuple[Filter, ...]]:
        """Return what reads the filters, with the presets that they refer to as they are now.

        Reading takes time, so it is left to where the rest is worked out. It raises FilterError with the path of every
        fault. A preset that is not the caller's to read is told as one that does not exist.
        """
        documents = [{"filter": one.document} for one in asked if not one.choices]
        references = References({}, self._catalog)
        if any(map(references_in, documents)):
            references = await self._work.run(
                by.user.scope, lambda stores: looked_up(stores, by.user, documents, self._catalog)
            )
        return lambda: tuple(
            parse_choices(one.document, self._catalog, path=one.path)
            if one.choices
            else references.read_filter(one.document, path=one.path)
            for one in asked
        )


def _is_short(choices: object, catalog: Catalog) -> bool:
    """Tell whether choices are few, with several values of two multi dimensions at the most: few clauses say them."""
    if not isinstance(choices, dict):
        return True
    several = values = 0
    combined = 1
    for name, chosen in choices.items():
        if isinstance(chosen, list):
            count = len(chosen)
            values += count
            if count > 1:
                dimension = catalog.dimension.get(name)
                if dimension is not None and dimension.multi:
                    several += 1
                    combined *= count
    return values <= _MOST_SHORT and (several <= 1 or (several == _MOST_SEVERAL and combined <= _MOST_COMBINED))


async def looked_up(stores: Stores, user: User, documents: Sequence[dict[str, Any]], catalog: Catalog) -> References:
    """Return the presets that some documents lead to, as far as an account may read them."""
    known: dict[int, Preset] = {}
    asked: set[int] = set()
    most = MOST_PRESETS * len(documents)
    wanted = set().union(*map(references_in, documents))
    while wanted and len(asked | wanted) <= most:
        asked |= wanted
        found = [preset for preset in await stores.presets.by_ids(wanted) if may_read(user, preset)]
        known |= {preset.id: preset for preset in found}
        wanted = set().union(*(references_in(preset.document) for preset in found)) - asked
    return References(known, catalog, complete=not wanted)

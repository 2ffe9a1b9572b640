"""The tenants, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.memory.values import require_storable
from segmentation_core.ports import Companies
from segmentation_core.users import Company, folded_name

if TYPE_CHECKING:
    from adapters.memory.tables import Unit


class MemoryCompanies(Companies):
    """The tenants of one unit of work. In a company's scope there is that company alone, and none can be made."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def named(self, name: str) -> Company:
        tables, folded = self._unit.tables, folded_name(name)
        for known in tables.companies.values():
            if folded_name(known.name) == folded and self._unit.sees(known.id):
                return known
        require_storable(name=name)
        self._unit.require_in_scope(None)
        made = Company(tables.next_id(), name)
        tables.companies[made.id] = made
        return made

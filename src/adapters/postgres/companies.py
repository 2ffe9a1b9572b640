"""The tenants, in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapters.postgres.errors import OUTSIDE
from adapters.postgres.statements import Statement
from segmentation_core.errors import Forbidden
from segmentation_core.ports import Companies
from segmentation_core.users import Company, folded_name

if TYPE_CHECKING:
    from adapters.postgres.statements import Transaction

NAMED: Final = Statement(
    "SELECT id, name FROM companies {where}", company="companies.id", always="companies.folded_name = %(folded_name)s"
)
ADD: Final = Statement(
    "INSERT INTO companies (name, folded_name) VALUES (%(name)s, %(folded_name)s)"
    " ON CONFLICT ON CONSTRAINT companies_name_unique DO NOTHING"
)


class PostgresCompanies(Companies):
    """The tenants of one unit of work. In a company's scope there is that company alone, and none can be made."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def named(self, name: str) -> Company:
        folded = folded_name(name)
        known = await self._transaction.row(NAMED, Company, folded_name=folded)
        if known is None and self._transaction.scope.company_id is not None:
            raise Forbidden(OUTSIDE)
        while known is None:
            # Of two that add it at once the second waits for the first, adds nothing, and then finds it.
            await self._transaction.store(ADD, name=name, folded_name=folded)
            known = await self._transaction.row(NAMED, Company, folded_name=folded)
        return known

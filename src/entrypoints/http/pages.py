"""Lists in pages: which page a query asks for, and what the answer says of it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from litestar.params import QueryParameter

from segmentation_core.errors import Problem, RequestError, excerpt

LONGEST_PAGE: Final = 100
LAST_PAGE: Final = 999_999_999
"""Pages that nobody needs, yet whose rows a database can still count up to."""

_WHOLE: Final = re.compile(r"[1-9][0-9]{0,8}")


def _numbers(default: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


PageNumber = Annotated[str, QueryParameter(description="Which page.", schema_extra=_numbers(1, LAST_PAGE))]
PageOf10 = Annotated[str, QueryParameter(description="How many a page has.", schema_extra=_numbers(10, LONGEST_PAGE))]
PageOf20 = Annotated[str, QueryParameter(description="How many a page has.", schema_extra=_numbers(20, LONGEST_PAGE))]
PageOf100 = Annotated[str, QueryParameter(description="How many a page has.", schema_extra=_numbers(100, LONGEST_PAGE))]
"""Numbers in a query, as they were typed: `asked_page` reads them, since Litestar takes `1.0` for a whole number."""


class Pagination(msgspec.Struct, frozen=True):
    """Which page of a list this is, how many entries a page has, and how many entries and pages there are."""

    current_page: int
    limit: int
    total_count: int
    total_pages: int


class Page(msgspec.Struct, frozen=True):
    """The page that a query asks for; they count from 1."""

    number: int
    limit: int

    @property
    def offset(self) -> int:
        """How many entries stand before it."""
        return (self.number - 1) * self.limit

    def of(self, total: int) -> Pagination:
        """Return what an answer says of this page of `total` entries."""
        return Pagination(self.number, self.limit, total, -(-total // self.limit))


def asked_page(page: str, limit: str, *, limit_name: str = "limit") -> Page:
    """Return the page that a query asks for. Raises RequestError for what is not a number in range, in plain digits."""
    problems = [
        Problem(f"query.{name}", "is not a number in range", excerpt(given), f"a whole number from 1 to {most:,}")
        for name, given, most in (("page", page, LAST_PAGE), (limit_name, limit, LONGEST_PAGE))
        if not _WHOLE.fullmatch(given) or int(given) > most
    ]
    if problems:
        raise RequestError(problems)
    return Page(int(page), int(limit))

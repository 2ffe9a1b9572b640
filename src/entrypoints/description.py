"""The application without a population or a database: for what is written from its own description."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from adapters.memory import MemoryWork
from adapters.population import BitmapIndex
from entrypoints import demo
from entrypoints.container import Container
from entrypoints.http.app import create_app
from entrypoints.settings import Settings
from segmentation_core.catalog import Catalog

if TYPE_CHECKING:
    from litestar import Litestar


def described() -> Litestar:
    """Return an application that is not to be run."""
    catalog = Catalog.from_json(demo.CATALOG.read_bytes())
    settings = Settings.for_demo({}, b"not used, and long enough for a key")
    return create_app(
        Container(
            settings=settings,
            catalog=catalog,
            population=BitmapIndex.from_people(catalog, []),
            work=MemoryWork(settings.audit_key.encode()),
        )
    )


def openapi_text() -> str:
    """Return the OpenAPI document, indented."""
    document = described().openapi_schema.to_schema()
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"

"""The national panel's catalogue, and people at random."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from adapters.population.panel import panel_document
from segmentation_core import Catalog

if TYPE_CHECKING:
    import random


def panel_catalog() -> Catalog:
    """Return the panel's catalogue, a new one at each call."""
    return Catalog.from_json(json.dumps(panel_document()))


def random_person(catalog: Catalog, rng: random.Random) -> dict[str, str | set[str]]:
    """Return somebody who says something of every dimension: any value alike, a yes to one characteristic in three."""
    return {
        dimension.id: {value.id for value in dimension.values if rng.randrange(3) == 0}
        if dimension.multi
        else rng.choice(dimension.values).id
        for dimension in catalog.dimensions
    }

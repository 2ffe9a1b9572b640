"""A national device panel, as a catalogue: what the planner and the engines are measured on."""

from __future__ import annotations

from typing import Any

CITIES = 104

_SINGLE = {
    "income": 4,
    "lifestyle": 3,
    "age": 6,
    "gender": 3,
    "education": 5,
    "occupation": 7,
    "household_size": 5,
    "life_stage": 5,
    "marital_status": 4,
    "home_ownership": 3,
    "home_type": 4,
    "area": 5,
    "region": 6,
    "language": 9,
    "device_brand": 6,
    "device_price": 5,
    "device_age": 4,
    "operating_system": 3,
    "operator": 4,
    "connection": 3,
    "data_use": 5,
    "screen_time": 4,
    "mobility": 3,
    "shopping": 3,
    "payment": 3,
}
"""How many values each single dimension has that lists speak of."""

_ORDERED = {"income", "age", "education", "household_size", "area", "device_price", "device_age", "data_use"} | {
    "screen_time",
    "mobility",
}

_MULTI = {"automobile": 9, "finance": 6, "interest": 6, "subscription": 4}
"""How many yes/no characteristics each multi dimension groups."""


def panel_document(*, weighted: bool = False) -> dict[str, Any]:
    """Return the catalogue file: 30 dimensions, and 174 lists. If `weighted`, a row stands for a number of devices.

    Every single dimension has a list for each value, income and lifestyle one for each pair besides, and every yes/no
    characteristic one list of those who have it and one of those who do not. The city is targeted directly.
    """
    single = [
        {"id": name, "kind": "single", "ordered": name in _ORDERED, "label": _label(name), "values": _values(count)}
        for name, count in _SINGLE.items()
    ]
    city = {"id": "city", "kind": "single", "activation": "direct", "label": "City", "values": _values(CITIES)}
    multi = [
        {
            "id": name,
            "kind": "multi",
            "label": _label(name),
            "values": [value | {"column": f"{name}_{value['id']}"} for value in _values(count)],
        }
        for name, count in _MULTI.items()
    ]
    families: list[dict[str, Any]] = [{"id": f"{name}_{{{name}}}", "for_each": [name]} for name in _SINGLE]
    families.append({"id": "income_lifestyle_{income}.{lifestyle}", "for_each": ["income", "lifestyle"]})
    for name in _MULTI:
        families.append({"id": f"{name}_{{{name}}}_yes", "for_each": [name]})
        families.append({"id": f"{name}_{{{name}}}_no", "for_each": [name], "absent": True})
    document = {"name": "national panel", "version": "1", "dimensions": [*single, city, *multi], "segments": families}
    return document | {"weight": {"column": "devices", "unit": "device"}} if weighted else document


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _values(count: int) -> list[dict[str, str]]:
    return [{"id": str(number)} for number in range(1, count + 1)]

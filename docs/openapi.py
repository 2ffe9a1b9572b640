"""Writes openapi.json, the description of the HTTP API, from the application itself: `make openapi`."""

from __future__ import annotations

from pathlib import Path

from entrypoints.description import openapi_text

FILE = Path(__file__).with_name("openapi.json")

if __name__ == "__main__":
    FILE.write_text(openapi_text(), "utf-8")
    print(f"{FILE} is written.")

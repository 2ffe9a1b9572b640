"""Load over HTTP: by wrk where it is installed, else by a generator of our own. Either keeps 8 connections busy."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import tempfile
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

CONNECTIONS: Final = 8

WRK: Final = shutil.which("wrk")

_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_LUA: Final = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local next = %d
request = function()
  next = next %% #bodies + 1
  return wrk.format("%s", nil, nil, bodies[next])
end
done = function(summary, latency, requests)
  io.write(string.format("COUNT %%d NOT200 %%d P50 %%f P99 %%f\\n", summary.requests, summary.errors.status,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
"""


class Load(msgspec.Struct, frozen=True):
    """What a run of load saw: requests a second, times in seconds, answers other than 200, and what made it."""

    requests: int
    rate: float
    p50: float
    p99: float
    failed: int
    by: str


def load(  # noqa: PLR0913  what is sent, and for how long
    address: str, path: str, headers: dict[str, str], bodies: Sequence[object], seconds: float, *, start: int = 0
) -> Load:
    """Send requests one after another on 8 connections: POST the bodies in turn from `start` on, or GET without any."""
    texts = [json.dumps(body) for body in bodies]
    if WRK:
        return _by_wrk(f"{address}{path}", headers, texts, seconds, start)
    return asyncio.run(_by_ourselves(address, path, headers, texts[start:] + texts[:start], seconds))


def _by_wrk(url: str, headers: dict[str, str], texts: list[str], seconds: float, start: int) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        bodies, script = Path(folder) / "bodies", Path(folder) / "load.lua"
        bodies.write_text("\n".join(texts or [""]) + "\n", "utf-8")
        script.write_text(_LUA % (bodies, start, "POST" if texts else "GET"), "utf-8")
        sent = {"Content-Type": "application/json", **headers} if texts else headers
        options = [part for name, value in sent.items() for part in ("-H", f"{name}: {value}")]
        ran = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", script, *options, url],
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"COUNT (\d+) NOT200 (\d+) P50 (\S+) P99 (\S+)", ran.stdout)
    took = re.search(r"requests in ([\d.]+)(us|ms|s|m)", ran.stdout)
    assert found, ran.stdout
    assert took, ran.stdout
    lasted = float(took[1]) * {**_UNITS, "m": 60.0}[took[2]]
    return Load(int(found[1]), int(found[1]) / lasted, float(found[3]), float(found[4]), int(found[2]), "wrk")


async def _by_ourselves(address: str, path: str, headers: dict[str, str], texts: list[str], seconds: float) -> Load:
    parts = urlsplit(address)
    turns = cycle(texts or [""])
    times: list[float] = []
    failed = 0
    end = perf_counter() + seconds

    async def one_connection() -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while perf_counter() < end:
            begun = perf_counter()
            writer.write(_request(parts.netloc, path, headers, next(turns) if texts else None))
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            times.append(perf_counter() - begun)
            failed += b" 200 " not in head[:16]
        writer.close()

    await asyncio.gather(*(one_connection() for _ in range(CONNECTIONS)))
    times.sort()
    return Load(
        len(times), len(times) / seconds, times[len(times) // 2], times[len(times) * 99 // 100], failed, "our generator"
    )


def _request(host: str, path: str, headers: dict[str, str], body: str | None) -> bytes:
    lines: dict[str, Any] = {"Host": host, **headers}
    if body is not None:
        lines |= {"Content-Type": "application/json", "Content-Length": len(body.encode())}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\n{head}\r\n{body or ''}".encode()

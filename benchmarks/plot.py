"""Curves as SVG, on two logarithmic axes."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Curve = tuple[str, "Sequence[tuple[float, float]]"]
"""What it is of, and its points."""

_WIDTH, _HEIGHT, _MARGIN = 420, 300, 52
_COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad")


def plot(title: str, across: str, up: str, curves: Sequence[Curve], left: int = 0) -> str:
    """Return one panel, to be put into an `svg` element, `left` pixels from its left end."""
    xs = [log10(x) for _, points in curves for x, _ in points]
    ys = [log10(y) for _, points in curves for _, y in points]
    x0, x1, y0, y1 = floor(min(xs)), ceil(max(xs)), floor(min(ys)), ceil(max(ys))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _MARGIN + (x - x0) / (x1 - x0) * (_WIDTH - 2 * _MARGIN),
            _HEIGHT - _MARGIN - (y - y0) / (y1 - y0) * (_HEIGHT - 2 * _MARGIN),
        )

    drawn = [f'<text x="{_WIDTH / 2}" y="20" text-anchor="middle" font-weight="bold">{title}</text>']
    for power in range(x0, x1 + 1):
        x, low = place(power, y0)
        drawn.append(f'<line x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{_MARGIN}" stroke="#ddd"/>')
        drawn.append(f'<text x="{x:.1f}" y="{low + 16:.1f}" text-anchor="middle">{10**power:,}</text>')
    for power in range(y0, y1 + 1):
        first, y = place(x0, power)
        drawn.append(f'<line x1="{first}" y1="{y:.1f}" x2="{_WIDTH - _MARGIN}" y2="{y:.1f}" stroke="#ddd"/>')
        drawn.append(f'<text x="{first - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    drawn.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 12}" text-anchor="middle">{across}</text>')
    drawn.append(f'<text x="12" y="{_MARGIN - 12}">{up}</text>')
    for (name, points), colour in zip(curves, _COLOURS, strict=False):
        places = [place(log10(x), log10(y)) for x, y in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        x, y = places[-1]
        drawn.append(f'<text x="{x - 8:.1f}" y="{y - 6:.1f}" text-anchor="end" fill="{colour}">{name}</text>')
    return f'<g transform="translate({left} 0)">\n' + "\n".join(drawn) + "\n</g>"


def document(panels: Sequence[str]) -> str:
    """Return an SVG file of panels side by side."""
    size = f'width="{_WIDTH * len(panels)}" height="{_HEIGHT}"'
    style = 'font-family="sans-serif" font-size="11" fill="#222"'
    body = "\n".join(panels)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n<rect {size} fill="white"/>\n{body}\n</svg>\n'


def width_of(panels: int) -> int:
    """Return how many pixels so many panels take."""
    return panels * _WIDTH

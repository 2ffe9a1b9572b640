"""Draw the README's picture from a real answer: `python docs/images/result.py FILE`, with - for stdout."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

from adapters.population import BitmapIndex
from entrypoints import demo
from segmentation_core import Catalog, Plan, parse_filter, plan_audience

WANTED = {"age": ["20-30", "30-40"], "policies": ["car"]}
BAR, LEFT, TOP, STEP = 300, 110, 92, 30
INK, MUTED, PALE, ACCENT = "#1c2733", "#5d6b7a", "#dfe5eb", "#0b7a75"


def main(target: str) -> None:
    """Count, plan and draw."""
    catalog = Catalog.from_json(demo.CATALOG.read_bytes())
    customers = BitmapIndex.load(catalog, demo.CUSTOMERS)
    wanted = parse_filter(WANTED, catalog)
    plan = plan_audience(wanted, catalog)
    ages = catalog.dimension["age"].values
    bars = [
        (
            value.label or value.id,
            customers.size(parse_filter({"age": [value.id]}, catalog)),
            customers.size(parse_filter({"and": [WANTED, {"age": [value.id]}]}, catalog)),
        )
        for value in ages
    ]
    picture = svg(bars, customers.rows, customers.size(wanted), plan)
    if target == "-":
        sys.stdout.write(picture)
    else:
        Path(target).write_text(picture, "utf-8")


def svg(bars: list[tuple[str, int, int]], everyone: int, audience: int, plan: Plan) -> str:
    """Return the picture: how many of each age there are and are wanted, and the lists that say so."""
    most = max(total for _, total, _ in bars)
    rows: list[str] = []
    for i, (label, total, chosen) in enumerate(bars):
        y = TOP + i * STEP
        counted = f"{chosen:,} of {total:,}" if chosen else f"{total:,}"
        rows += [
            text(LEFT - 10, y + 14, label, text_anchor="end"),
            f'<rect x="{LEFT}" y="{y}" width="{BAR * total / most:.1f}" height="20" rx="2" fill="{PALE}"/>',
            f'<rect x="{LEFT}" y="{y}" width="{BAR * chosen / most:.1f}" height="20" rx="2" fill="{ACCENT}"/>',
            text(LEFT + BAR * total / most + 8, y + 14, counted, fill=MUTED),
        ]
    (clause,) = plan.clauses
    lists = [("include", name) for group in clause.include for name in group]
    lists += [("exclude", name) for name in clause.exclude]
    for i, (use, name) in enumerate(lists):
        y = TOP + i * STEP
        colour = ACCENT if use == "include" else "#b3402b"
        rows += [
            f'<rect x="540" y="{y}" width="70" height="20" rx="10" fill="{colour}"/>',
            text(575, y + 14, use, text_anchor="middle", fill="#ffffff"),
            text(622, y + 14, name, font_family="ui-monospace, monospace"),
        ]
    proved = ", proved fewest" if plan.certificate and plan.certificate.fewest else ""
    rows.append(text(540, TOP + len(lists) * STEP + 14, f"{len(lists)} lists, one ad set{proved}", fill=MUTED))
    return "\n".join([
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 290"',
        ' font-family="system-ui, sans-serif" font-size="14">',
        f'<rect width="820" height="290" rx="8" fill="#ffffff" stroke="{PALE}"/>',
        text(24, 36, "Aged 20 to 40, with a car policy", font_size="18", font_weight="600"),
        text(24, 62, f"{audience:,} of {everyone:,} customers", fill=ACCENT, font_size="16", font_weight="600"),
        text(540, 62, "What the ad platform is told", font_size="16", font_weight="600"),
        *rows,
        "</svg>",
        "",
    ])  # fmt: skip


def text(x: float, y: float, words: str, *, fill: str = INK, **attributes: str) -> str:
    """Return a line of text; an attribute's `_` stands for a hyphen."""
    said = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.0f}" y="{y}" fill="{fill}"{said}>{escape(words)}</text>'


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "-")

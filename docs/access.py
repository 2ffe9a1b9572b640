"""Writes access.md, who may call what, from the application itself: `make docs`."""

from __future__ import annotations

from pathlib import Path

from entrypoints.description import described
from entrypoints.http.access import TENANCY, Operation, operations
from segmentation_core.permissions import PERMISSIONS

PAGE = Path(__file__).with_name("access.md")
ROLES = ("User", "Manager", "Admin", "SuperAdmin")


def text() -> str:
    """Return the page."""
    found = sorted(operations(described()), key=lambda one: (one.path, one.method))
    lines = [
        "# Who may do what",
        "",
        "Made from the application by `make docs`; a test holds it to that. Each route declares what it needs, and the",
        "service does not start where one does not. What is not the caller's to see answers 404 as if it were nowhere.",
        "",
        "## Permissions",
        "",
        f"| permission | what it allows | {' | '.join(ROLES)} | dsp accounts |",
        f"|---|---|{'---|' * len(ROLES)}---|",
    ]
    for one in PERMISSIONS:
        held = [_mark(role in one.roles) for role in ROLES]
        lines.append(f"| {one.name} | {one.allows} | {' | '.join(held)} | {_mark(one.dsp)} |")
    lines += ["", "## Operations", "", "| operation | | needs | reaches |", "|---|---|---|---|"]
    lines += [_row(operation) for operation in found]
    return "\n".join(lines) + "\n"


def _mark(held: bool) -> str:  # noqa: FBT001  what is shown
    return "yes" if held else "no"


def _row(operation: Operation) -> str:
    access, summary = operation.access, operation.summary or "The API's own description"
    if access is None or access.permission is None:
        needs = f"nothing: {access.reason}" if access else "?"
    else:
        needs = access.permission.name
    reaches = TENANCY[access.tenancy] if access else "?"
    return f"| `{operation.method} {operation.path}` | {summary} | {needs} | {reaches} |"


if __name__ == "__main__":
    PAGE.write_text(text(), "utf-8")
    print(f"{PAGE} is written.")

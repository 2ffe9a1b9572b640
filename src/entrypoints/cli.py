"""The command `segmentation`.

Results go to stdout, with `--json` one document a line and nothing else; what people should know goes to stderr. Exit 0
means done, 1 that the input was at fault (the path and place are told), 2 wrong usage.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from entrypoints.arguments import parser
from entrypoints.commands import AT_FAULT, WRONG_USAGE, tell
from segmentation_core.errors import SegmentationError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    options = parser().parse_args(arguments)
    try:
        status = int(options.run(options))
        sys.stdout.flush()
    except SegmentationError as fault:
        tell(fault, as_json=getattr(options, "json", False))
        return AT_FAULT
    except ModuleNotFoundError as missing:
        print(f"segmentation: {_extra_for(missing)}", file=sys.stderr)
        return WRONG_USAGE
    except BrokenPipeError:
        sys.stderr.close()
        return AT_FAULT
    except OSError as fault:
        print(f"segmentation: cannot write: {fault.strerror}", file=sys.stderr)
        sys.stdout = io.StringIO()
        return AT_FAULT
    except KeyboardInterrupt:
        return 130
    else:
        return status


def _extra_for(missing: ModuleNotFoundError) -> str:
    extras = {"numpy": "population", "pyarrow": "population", "sentry_sdk": "sentry"}
    extra = extras.get(missing.name or "", "server")
    return f"{missing.name} is not installed; pip install 'segmentation-core[{extra}]'"

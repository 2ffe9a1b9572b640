"""The cluster of a data folder: where it is, whose it is, and how it is made, checked and deleted."""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from adapters.postgres.closed_files import (
    give,
    make_roots_folder,
    overwrite,
    sweep,
    text_of,
    unfinished,
    write_secret,
)
from adapters.postgres.processes import Owners
from adapters.postgres.programs import Programs, wheel_version
from adapters.postgres.server import Server
from segmentation_core.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

Role = Literal["owner", "app", "super"]
"""`super` may do all, `owner` owns the database and can make others, `app` can connect."""

ROLE_NAMES: Final[dict[Role, str]] = {role: f"segmentation_{role}" for role in ("super", "owner", "app")}

ROOTS_FOLDER: Final = Path("/var/lib/segmentation")
"""Where root's clusters are kept, a folder each."""

_FIRST_STATEMENTS: Final = (
    "CREATE ROLE segmentation_owner LOGIN NOSUPERUSER CREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
    "CREATE ROLE segmentation_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT",
    "CREATE DATABASE segmentation OWNER segmentation_owner",
    "REVOKE ALL ON DATABASE segmentation, postgres, template1 FROM PUBLIC",
    "GRANT CONNECT ON DATABASE segmentation TO segmentation_app",
)

_ACCESS: Final = "local all all scram-sha-256\n"
"""All of pg_hba.conf."""


@dataclass(frozen=True)
class Cluster:
    """The files of one data folder and its server. Who changes them holds the folder's lock.

    `home` has the cluster; `user` is whom the server runs as, None for ourselves.
    """

    data: Path
    key: str
    home: Path
    user: pwd.struct_passwd | None

    @classmethod
    def of(cls, data_dir: Path) -> Cluster:
        """Find out where the cluster of a data folder is, or is to be."""
        data = data_dir.resolve()
        key = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        pointer = data / "postgres.folder"
        if os.geteuid():
            if pointer.exists():
                problem = "root runs the PostgreSQL of this data folder"
                raise SettingsError(Problem(str(pointer), problem, expected="another data folder, or root"))
            return cls(data, key, data, None)
        if (data / "postgres" / "PG_VERSION").exists():
            problem = "an ordinary user runs the PostgreSQL of this data folder"
            raise SettingsError(Problem(str(data / "postgres"), problem, expected="another data folder, or that user"))
        home = ROOTS_FOLDER / key
        if pointer.exists() and text_of(pointer) != str(home):
            problem = "this data folder was moved or copied, and its PostgreSQL was not"
            wanted = f"{home}; move the folder back, or remove this file to begin with an empty database"
            raise SettingsError(Problem(str(pointer), problem, text_of(pointer), wanted))
        return cls(data, key, home, _server_user(home / "postgres"))

    @property
    def folder(self) -> Path:
        return self.home / "postgres"

    @property
    def pointer(self) -> Path:
        return self.data / "postgres.folder"

    @property
    def passwords(self) -> Path:
        return self.data / "postgres.passwords"

    @property
    def owners(self) -> Owners:
        return Owners(self.data / "postgres.owners")

    @property
    def programs(self) -> Programs:
        return Programs(self.home, self.user)

    @property
    def server(self) -> Server:
        return Server(self.folder, self.key, self.programs, self.data / "postgres.server")

    def version(self) -> str | None:
        """Tell the cluster's major version, or None where there is none yet."""
        if not self.folder.exists() or not any(self.folder.iterdir()):
            return None
        version = text_of(self.folder / "PG_VERSION").strip()
        if not version:
            problem = "is in the way: it is no PostgreSQL cluster"
            raise SettingsError(Problem(str(self.folder), problem, expected="another data folder"))
        return version

    def check_version(self) -> None:
        """Raise SettingsError where the programs cannot read the cluster, or where it is gone."""
        version, wanted = self.version(), wheel_version().partition(".")[0]
        if version is None and self.pointer.exists():
            problem = f"the cluster in {self.folder} is gone"
            wanted = "that folder back, or `segmentation db reset` to begin with an empty database"
            raise SettingsError(Problem(str(self.pointer), problem, expected=wanted))
        if version not in {None, wanted}:
            problem = f"PostgreSQL {version} made this cluster, and PostgreSQL {wanted} is installed"
            way = f"{wanted}; dump the database with PostgreSQL {version}, or give it up, then `segmentation db reset`"
            raise SettingsError(Problem(str(self.folder / "PG_VERSION"), problem, version, way))

    def bring_up(self) -> None:
        """Have the server run and be reached; make what is missing for that."""
        if self.user:
            make_roots_folder(self.home.parent)
            make_roots_folder(self.home)
        if self.passwords.exists() and self.server.serves():
            return
        self.server.stop()
        with self.server.alone() as lock:
            sweep(self.home)
            self.programs.copy()
            self.server.forget_the_dead()
            if self.version() is None:
                self._make()
            elif not self.passwords.exists():
                write_secret(self.passwords, self._with_new_passwords(self.folder))
            if self.user and not self.pointer.exists():
                write_secret(self.pointer, os.fsencode(self.home))
            self.server.start(lock)

    def let_go(self) -> None:
        """Need the server no more, and stop it if nobody does."""
        self.owners.remove_ours()
        if not self.owners.living():
            self.server.stop()

    def delete(self) -> None:
        """Delete all but the lock; in an order that leaves nothing half deleted in a place that counts."""
        if self.version() is not None:
            self.folder.rename(unfinished(self.home))
        sweep(self.home)
        for file in (self.pointer, self.passwords, self.server.lock):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.owners.folder, ignore_errors=True)
        if self.user and self.home.exists():
            shutil.rmtree(self.home)

    def _make(self) -> None:
        """Make a cluster with roles and database. It comes to its place when it is whole, and on the disk."""
        new = unfinished(self.home)
        give(new, self.user)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        self.programs.run(new, "initdb", "-U", ROLE_NAMES["super"], "--auth=reject", "--no-sync", *locale)
        overwrite(new / "pg_hba.conf", _ACCESS)
        passwords = self._with_new_passwords(new, _FIRST_STATEMENTS, "-F")
        method = "syncfs" if sys.platform == "linux" else "fsync"
        self.programs.run(new, "initdb", "--sync-only", f"--sync-method={method}")
        write_secret(self.passwords, passwords)
        new.rename(self.folder)

    def _with_new_passwords(self, folder: Path, first: Iterable[str] = (), *options: str) -> bytes:
        """Run statements and set new passwords, in a server that nobody can connect to; return the passwords."""
        passwords = {name: secrets.token_urlsafe(24) for name in ROLE_NAMES.values()}
        statements = [*first, *(f"ALTER ROLE {name} PASSWORD '{text}'" for name, text in passwords.items())]
        quiet = ("-c", "exit_on_error=true", "-c", "log_min_error_statement=panic")
        stdin = "".join(f"{statement}\n" for statement in statements)
        self.programs.run(folder, "postgres", "--single", *options, *quiet, "postgres", stdin=stdin)
        return msgspec.json.encode(passwords)


def _server_user(cluster: Path) -> pwd.struct_passwd:
    """Choose whom root's server runs as: the owner of the cluster, else an account that is there for such work."""
    if cluster.exists():
        owners = [account for account in pwd.getpwall() if account.pw_uid == cluster.lstat().st_uid]
    else:
        owners = [account for name in ("postgres", "nobody") for account in pwd.getpwall() if account.pw_name == name]
    for account in owners:
        if account.pw_uid:
            return account
    problem = "PostgreSQL does not run as root, and there is no other account for it"
    expected = "an account `postgres` or `nobody`, or to be run by an ordinary user"
    raise SettingsError(Problem(str(cluster), problem, expected=expected))

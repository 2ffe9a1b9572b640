"""The stores in PostgreSQL, and a PostgreSQL of our own to run them on."""

from adapters.postgres.schema import Migration, migrate, migration_status, prepare_roles
from adapters.postgres.urls import APP_VARIABLE, OWNER_VARIABLE, checked_url
from adapters.postgres.work import PostgresWork

__all__ = [
    "APP_VARIABLE",
    "OWNER_VARIABLE",
    "Migration",
    "PostgresWork",
    "checked_url",
    "migrate",
    "migration_status",
    "prepare_roles",
]

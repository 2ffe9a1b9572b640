"""The stores in PostgreSQL, and a PostgreSQL of our own to run them on."""

from adapters.postgres.schema import Migration, migrate, migration_status, prepare_roles
from adapters.postgres.work import PostgresWork

__all__ = ["Migration", "PostgresWork", "migrate", "migration_status", "prepare_roles"]

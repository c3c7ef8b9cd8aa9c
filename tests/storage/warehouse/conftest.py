"""Databases for the tests of this directory."""

from tests.support.databases import database_url, mariadb, new_database, postgresql

__all__ = ["database_url", "mariadb", "new_database", "postgresql"]

"""Tables in SQL: SQLite by default, PostgreSQL and MariaDB or MySQL by URL."""

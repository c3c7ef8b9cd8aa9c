"""One module a revision. Each can be run again after it was cut short: MariaDB commits every statement of DDL."""

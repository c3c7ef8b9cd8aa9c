"""Building blocks of pages of the dashboard: states, numbers, tiles, tables and charts."""

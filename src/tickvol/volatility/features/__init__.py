"""The one engine: records in, feature rows out. It cannot see the future."""

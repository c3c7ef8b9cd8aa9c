"""The feature engine: records in, feature rows out, without look-ahead."""

"""Basic types of the pipeline: records, columns, specs, feature rows and errors."""

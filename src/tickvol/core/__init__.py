"""The nouns of the pipeline: records, columns, specs, feature rows and errors."""

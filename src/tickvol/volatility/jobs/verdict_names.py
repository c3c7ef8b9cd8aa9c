"""Names of the verdicts on features and bundles."""

NOT_EMPTY, ONE_SPEC, FRESH = "features_not_empty", "features_of_one_spec", "features_fresh"
BUNDLES = "bundles_answer"
LEAK_FREE = "leak_check"

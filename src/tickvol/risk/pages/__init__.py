"""Pages of the risk system: market risk, and health of the pipeline."""

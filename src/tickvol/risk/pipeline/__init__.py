"""The daily run: fetch, clean, compute, audit and publish, each step from what the step before has stored."""

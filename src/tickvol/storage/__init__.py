"""The feature dataset on disk and its checks."""

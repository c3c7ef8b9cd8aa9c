"""The fixtures of the scheduler's tests."""

from tests.orchestration.conftest import commands, dataset, home, instance, place

__all__ = ["commands", "dataset", "home", "instance", "place"]

"""What the tests here take from the broker's fixtures, which tests/conftest.py gives to all."""

from tests.support.brokers import ROOT, config_of, environment_of, make_topics

__all__ = ["ROOT", "config_of", "environment_of", "make_topics"]

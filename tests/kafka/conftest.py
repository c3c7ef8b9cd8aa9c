"""What the tests here take from the broker's fixtures, which tests/conftest.py gives to all."""

from tests.support import ROOT
from tests.support.brokers import config_of, environment_of, make_topics, topics_of, whole_config

__all__ = ["ROOT", "config_of", "environment_of", "make_topics", "topics_of", "whole_config"]

"""Dagster code location: definitions from the configuration file that the environment names."""

from tickvol.config import configured_path
from tickvol.orchestration.definitions import define

definitions = define(configured_path())

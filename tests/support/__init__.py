"""What tests share: the project's root, brokers, datasets and trained detectors."""

from pathlib import Path

ROOT = Path(__file__).parents[2]

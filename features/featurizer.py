"""Compute features from the raw archive; same as tickvol featurize."""

import sys

from tickvol.apps.featurize import main

if __name__ == "__main__":
    sys.exit(main())

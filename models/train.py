"""Train and compare all detectors: `python models/train.py --help`; the same as `tickvol train`."""

import sys

from tickvol.apps.train import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m tickvol` is the `tickvol` command."""

import sys

from tickvol.apps.cli import main

if __name__ == "__main__":
    sys.exit(main())

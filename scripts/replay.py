"""Replay recorded frames into a feature dataset; same as tickvol replay."""

import sys

from tickvol.apps.replay import main

if __name__ == "__main__":
    sys.exit(main())

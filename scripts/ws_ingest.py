"""Capture the exchange's feed into the raw archive; the same as `tickvol ws-ingest`."""

import sys

from tickvol.apps.ws_ingest import main

if __name__ == "__main__":
    sys.exit(main())

"""Serve a local exchange that speaks the feed's protocol; the same as `tickvol simulate-exchange`."""

import sys

from tickvol.apps.simulate_exchange import main

if __name__ == "__main__":
    sys.exit(main())

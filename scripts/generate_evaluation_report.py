"""Write the evaluation report; the same as `tickvol evaluate`."""

import sys

from tickvol.apps.evaluate import main

if __name__ == "__main__":
    sys.exit(main())

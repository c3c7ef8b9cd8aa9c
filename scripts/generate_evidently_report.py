"""Write the Evidently drift report; the same as `tickvol drift`."""

import sys

from tickvol.apps.drift import main

if __name__ == "__main__":
    sys.exit(main())

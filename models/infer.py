"""Score feature rows with a bundle: `python models/infer.py --help`; the same as `tickvol infer`."""

import sys

from tickvol.apps.infer import main

if __name__ == "__main__":
    sys.exit(main())

"""Read a topic for a while and say what is in it; same as tickvol kafka-consume-check."""

import sys

from tickvol.apps.kafka_consume_check import main

if __name__ == "__main__":
    sys.exit(main())

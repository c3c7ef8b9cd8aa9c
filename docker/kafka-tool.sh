#!/bin/sh
# Kafka's tools under their documented names: mounted as /usr/local/bin/kafka-topics, this script runs kafka-topics.sh,
# which is not on the image's path.
exec "${KAFKA_HOME:-/opt/kafka}/bin/$(basename "$0").sh" "$@"

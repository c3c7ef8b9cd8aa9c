#!/bin/sh
# Kafka's own tools under the names that its documentation calls them by: mounted as /usr/local/bin/kafka-topics this runs
# kafka-topics.sh, which the image keeps off the path.
exec "${KAFKA_HOME:-/opt/kafka}/bin/$(basename "$0").sh" "$@"

"""A reader of committed rows that looks on while the line is disturbed, and notes when each row could be read."""

import threading
import time
from bisect import bisect_left
from collections import defaultdict

from kafka import TopicPartition
from kafka.errors import KafkaError

from tickvol.bus.client import new_consumer
from tickvol.volatility.messages import decode_features


class Watcher:
    """Reads the topic of features from its beginning, in a thread, through every outage of the broker.

    Attributes
    ----------
    rows : product -> [(bar_end_ns, values)] in the order in which they were read.
    """

    def __init__(self, line):
        self.rows = defaultdict(list)
        self._kafka = line.kafka
        self._highest = {}
        self._news = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(30)

    def _read(self):
        topic = self._kafka.topic_features
        consumer = new_consumer(self._kafka, client_id="watcher", max_poll_records=100_000)
        places = [TopicPartition(topic, number) for number in range(self._kafka.partitions)]
        consumer.assign(places)
        for place in places:
            consumer.seek(place, 0)
        while not self._over.is_set():
            try:
                found = consumer.poll(timeout_ms=50)
            except KafkaError:
                continue
            now = time.monotonic()
            for messages in found.values():
                for message in messages:
                    row = decode_features(message.value)
                    self.rows[row.product_id].append((row.bar_end_ns, row.numbers()))
                    if row.bar_end_ns > self._highest.get(row.product_id, 0):
                        self._highest[row.product_id] = row.bar_end_ns
                        self._news.append(now)
        consumer.close()

    @property
    def count(self):
        """Rows read so far."""
        return sum(map(len, self.rows.values()))

    def first_after(self, moment):
        """Seconds from a moment (monotonic) until a row with a new bar could be read; None before that."""
        news = self._news
        place = bisect_left(news, moment)
        return news[place] - moment if place < len(news) else None

    def check_once_in_order(self):
        """No product has a bar twice or out of order."""
        for product_id, rows in self.rows.items():
            ends = [end for end, _ in rows]
            assert ends == sorted(set(ends)), product_id

"""The publisher beside a capture is started again, whatever kept it from running."""

import asyncio

from tickvol.capture import publisher_process
from tickvol.capture.publisher_process import PublisherProcess


def test_a_publisher_that_cannot_be_started_is_tried_again_and_told(monkeypatch, caplog):
    starts = []

    async def refuse(*arguments, **options):
        starts.append(options["pass_fds"])
        raise BlockingIOError(11, "Resource temporarily unavailable")

    async def run():
        publisher = PublisherProcess([], 1.0)
        publisher.figures.connected = True
        running = asyncio.create_task(publisher.run())
        while len(starts) < 3:
            assert not running.done()
            await asyncio.sleep(0.01)
        running.cancel()
        return publisher

    monkeypatch.setattr(publisher_process, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    publisher = asyncio.run(asyncio.wait_for(run(), 30))
    assert publisher.restarts >= 2
    assert not publisher.figures.connected
    assert "cannot be run" in caplog.text
    assert starts[1] == starts[2]  # no pipe is left open

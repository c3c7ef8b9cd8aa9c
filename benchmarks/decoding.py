"""Frames to feature rows, against typed decoding alone."""

import msgspec
from outcome import Outcome, cpu_seconds
from stream import Input, Pipeline, exhaust

from tickvol.config import Config
from tickvol.eventlog.frames import Frame

GOAL = 0.4


def frames_to_rows(config: Config, found: Input, repeats: int) -> list[Outcome]:
    """Rate of the whole way from lines to rows, over that of msgspec alone on the same lines."""
    lines = found.lines
    decode = msgspec.json.Decoder(Frame).decode

    def ours() -> None:
        exhaust(Pipeline(config, config.products).recordings(found.recordings))

    def decoding() -> None:
        for line in lines:
            decode(line)

    seconds, yardstick_seconds = cpu_seconds(ours, decoding, repeats=repeats)
    outcome = Outcome(
        name="frames_to_rows",
        value=len(lines) / seconds,
        unit="frames/s",
        yardstick="msgspec.json.Decoder(Frame).decode",
        yardstick_value=len(lines) / yardstick_seconds,
        input=found.about,
    )
    return [outcome.at_least(GOAL)]

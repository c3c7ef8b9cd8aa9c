"""The event log at rest: archive, decoder, tracker and record reader."""

"""The stored event log: archive, decoder, tracker and record reader."""

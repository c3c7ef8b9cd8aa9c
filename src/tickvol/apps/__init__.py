"""One module per command: parse, load configuration, wire, run."""

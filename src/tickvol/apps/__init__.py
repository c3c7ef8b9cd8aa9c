"""The commands, one module each: parse, load the configuration, wire, run."""

"""The firewall against leaks: checks that plant, move or hide what no model may have seen; `docs/leakcheck.md`."""

"""Leakage checks: they plant, shift or hide information that no model may have seen; `docs/leakcheck.md`."""

"""The dashboard: a host of the pages that the systems register."""

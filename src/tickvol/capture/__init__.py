"""The capture process: feed, archive and publisher."""

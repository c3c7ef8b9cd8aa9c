"""Delta tables of declared columns: one writer, keys that hold, a digest of the content, and maintenance."""

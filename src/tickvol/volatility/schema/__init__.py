"""Feature rows, feature tables, and the specifications of features and labels."""

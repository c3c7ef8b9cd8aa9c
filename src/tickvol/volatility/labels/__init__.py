"""What counts as a spike: labels from the future of the bars."""

"""Settings of the volatility system."""

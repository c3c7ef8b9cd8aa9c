"""Jobs, blocking checks and sensors of the volatility system."""

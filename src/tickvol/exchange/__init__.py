"""Protocols and data formats of exchanges, and the HTTP client."""

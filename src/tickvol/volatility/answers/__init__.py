"""Requests and answers of the HTTP endpoints."""

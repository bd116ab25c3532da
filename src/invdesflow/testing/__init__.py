"""Fixtures that other projects can import."""

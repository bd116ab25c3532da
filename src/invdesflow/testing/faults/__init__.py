"""Faults: real processes killed at seeded moments, and the database held against what was promised."""

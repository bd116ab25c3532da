"""Models that rank candidates before any first-principles calculation."""

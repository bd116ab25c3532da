"""Intercalation: guest atoms in the voids of a host, and what they do to its phonons, lambda and Tc."""

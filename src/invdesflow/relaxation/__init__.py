"""Interatomic potentials: relaxation, elemental references, formation energy and hull."""

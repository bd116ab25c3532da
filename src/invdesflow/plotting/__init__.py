"""Figures and reports made from documents."""

"""Readers of the files that pw.x, ph.x, q2r.x and matdyn.x write."""

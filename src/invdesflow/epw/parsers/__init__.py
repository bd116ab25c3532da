"""Readers of the files that epw.x and its Wannier90 library write."""

"""Which models there are, what was measured of them, and which one is asked."""

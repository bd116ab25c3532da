"""Crystal structures: safe reading and decoding, identity, and geometric checks."""

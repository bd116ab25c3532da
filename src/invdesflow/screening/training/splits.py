"""Which formulas a model may learn from; decided by the formula alone, so that polymorphs never stand on both sides."""

import hashlib

__all__ = ["FOLDS", "fold_of", "formulas_digest", "is_held_out"]

FOLDS = 5
HELD_OUT_SHARE = 0.1


def fold_of(formula: str) -> int:
    """Return the cross-validation fold of a reduced formula: its SHA-256 modulo the number of folds."""
    return int(hashlib.sha256(formula.encode()).hexdigest(), 16) % FOLDS


def is_held_out(formula: str) -> bool:
    """Tell whether a reduced formula belongs to the tenth that no shipped model has learned from."""
    digest = hashlib.sha256(f"held out {formula}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < HELD_OUT_SHARE


def formulas_digest(formulas: list[str]) -> str:
    """Identify a set of formulas without naming them: SHA-256 of the sorted SHA-256 of each."""
    hashes = sorted({hashlib.sha256(formula.encode()).hexdigest() for formula in formulas})
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

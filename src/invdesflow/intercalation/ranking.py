"""Which host and guest come first: the largest gain of Tc."""

from collections.abc import Sequence

from invdesflow.intercalation.documents import IntercalationStudyDocument, PairComparison

__all__ = ["ranked", "ranked_pairs"]

_UNKNOWN = float("inf")


def ranked(pairs: Sequence[PairComparison]) -> list[PairComparison]:
    """Sort pairs: the largest gain of Tc first, then those where it is unknown, by their predicted or known Tc."""
    return sorted(pairs, key=_largest_gain_first)


def ranked_pairs(
    studies: Sequence[IntercalationStudyDocument],
) -> list[tuple[IntercalationStudyDocument, PairComparison]]:
    """Return the pairs of all studies in the same order, each with its study."""
    pairs = [(study, pair) for study in studies for pair in study.pairs]
    return sorted(pairs, key=lambda both: _largest_gain_first(both[1]))


def _largest_gain_first(one: PairComparison) -> tuple[float, float, str]:
    tc = one.tc_k
    return (
        _UNKNOWN if tc.difference is None else -tc.difference,
        _UNKNOWN if tc.guest is None else -tc.guest,
        one.pair.guest_id,
    )

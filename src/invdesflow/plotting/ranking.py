"""Which candidates passed, and in which order a report names them."""

from collections.abc import Iterable, Sequence
from math import inf

from invdesflow.database.summary import SummaryDocument

__all__ = ["passed", "passed_screening", "top_candidates"]


def passed_screening(summary: SummaryDocument) -> bool:
    """Tell whether a candidate was screened and no gate rejected it."""
    return summary.stage in ("screened", "verified") and not summary.rejected


def passed(summaries: Iterable[SummaryDocument]) -> list[SummaryDocument]:
    """Return the candidates that were screened and that no gate rejected."""
    return [summary for summary in summaries if passed_screening(summary)]


def top_candidates(summaries: Iterable[SummaryDocument], top: int) -> Sequence[SummaryDocument]:
    """Return the candidates with the highest predicted Tc among those that passed.

    Parameters
    ----------
    summaries
        Candidates in any order.
    top
        Largest number returned.

    Returns
    -------
    sequence of SummaryDocument
        Those of the smallest mu* first, as Tc at different mu* are not comparable; of one mu* the highest Tc first;
        equal Tc by energy above the hull (unknown last), then by identifier.
    """
    with_tc = [summary for summary in passed(summaries) if summary.tc_k is not None]
    return sorted(with_tc, key=_rank)[:top]


def _rank(summary: SummaryDocument) -> tuple[float, float, float, str]:
    mu_star, hull = summary.tc_mu_star, summary.e_above_hull_ev_per_atom
    return (
        inf if mu_star is None else mu_star,
        -(summary.tc_k or 0.0),
        inf if hull is None else hull,
        summary.candidate_id,
    )

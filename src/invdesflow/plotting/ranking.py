"""Which candidates passed, and in which order a report names them."""

from collections.abc import Iterable, Sequence

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
        Highest Tc first; equal Tc by energy above the hull (unknown last), then by identifier.
    """
    with_tc = [(summary.tc_k, summary) for summary in passed(summaries) if summary.tc_k is not None]
    return [summary for _, summary in sorted(with_tc, key=lambda pair: (-pair[0], *_tie_breaker(pair[1])))[:top]]


def _tie_breaker(summary: SummaryDocument) -> tuple[float, str]:
    hull = summary.e_above_hull_ev_per_atom
    return (float("inf") if hull is None else hull, summary.candidate_id)

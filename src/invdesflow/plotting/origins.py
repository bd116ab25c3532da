"""How the sources of candidates compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import plotly.graph_objects as go
from markupsafe import escape

from invdesflow.database.summary import SummaryDocument
from invdesflow.plotting.ranking import passed_screening
from invdesflow.plotting.style import BLUE, TEMPLATE

__all__ = ["OriginRow", "origin_figure", "origin_rows"]


@dataclass(frozen=True)
class OriginRow:
    """What became of the candidates of one origin; a median is None where no candidate has the number."""

    origin: str
    candidates: int
    relaxed: int
    screened: int
    passed: int
    tc_k: tuple[float, ...]
    median_tc_k: float | None
    median_hull_ev_per_atom: float | None


def origin_rows(summaries: Sequence[SummaryDocument]) -> list[OriginRow]:
    """Compare the origins, the most frequent first; a candidate with two origins counts in both.

    Parameters
    ----------
    summaries
        Candidates in any order.
    """
    kinds = {origin for summary in summaries for origin in summary.origins}
    rows = [_row(kind, [summary for summary in summaries if kind in summary.origins]) for kind in kinds]
    return sorted(rows, key=lambda row: (-row.candidates, row.origin))


def _row(origin: str, members: Sequence[SummaryDocument]) -> OriginRow:
    tc = tuple(s.tc_k for s in members if s.tc_k is not None)
    hull = [s.e_above_hull_ev_per_atom for s in members if s.e_above_hull_ev_per_atom is not None]
    return OriginRow(
        origin=origin,
        candidates=len(members),
        relaxed=sum(s.relaxation_converged is True for s in members),
        screened=sum(s.stage in ("screened", "verified") for s in members),
        passed=sum(passed_screening(s) for s in members),
        tc_k=tc,
        median_tc_k=median(tc) if tc else None,
        median_hull_ev_per_atom=median(hull) if hull else None,
    )


def origin_figure(rows: Sequence[OriginRow]) -> go.Figure:
    """Draw the predicted Tc (K) of every candidate by origin, with quartiles.

    Parameters
    ----------
    rows
        Origins; those without a single Tc are left out.
    """
    boxes = [
        go.Box(
            x=row.tc_k,
            name=str(escape(row.origin)),
            boxpoints="all",
            jitter=0.6,
            pointpos=0,
            marker={"size": 5, "opacity": 0.55, "color": BLUE},
            line={"width": 1.2, "color": BLUE},
            fillcolor="rgba(43, 99, 148, 0.08)",
            hovertemplate="%{x:.1f} K<extra></extra>",
        )
        for row in reversed(rows)
        if row.tc_k
    ]
    figure = go.Figure(boxes, layout={"template": TEMPLATE, "height": 130 + 80 * len(boxes), "showlegend": False})
    figure.update_xaxes(title_text="predicted T<sub>c</sub> (K)", rangemode="tozero")
    return figure

"""How the sources of candidates compare."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import plotly.graph_objects as go
from markupsafe import escape
from plotly.subplots import make_subplots

from invdesflow.database.summary import SummaryDocument
from invdesflow.plotting.ranking import passed_screening
from invdesflow.plotting.style import BLUE, GREEN, GREY, ORANGE, TEMPLATE

__all__ = ["NEAR_HULL_EV_PER_ATOM", "OriginRow", "origin_figure", "origin_rows", "yield_figure"]

NEAR_HULL_EV_PER_ATOM = 0.1
"""Energy above the hull below which papers on generators call a crystal stable."""
_COLOURS = (BLUE, ORANGE, GREEN, GREY)


@dataclass(frozen=True)
class OriginRow:
    """What became of the candidates of one origin; a median is None where no candidate has the number.

    Attributes
    ----------
    proposed
        Distinct crystals, refused ones included.
    refused
        Gate and number of the crystals that it refused before anything was relaxed, most frequent first.
    accepted, relaxed, screened, passed
        Crystals that came so far.
    new_composition, new_structure
        Accepted crystals that are new in this sense.
    hull_ev_per_atom
        Energies above the hull, of all that have one.
    hull_complete
        Number of those whose hull had a competitor in every chemical system within.
    tc_k
        Predicted Tc, of all that have one.
    """

    origin: str
    proposed: int
    refused: tuple[tuple[str, int], ...]
    accepted: int
    new_composition: int
    new_structure: int
    relaxed: int
    screened: int
    passed: int
    hull_ev_per_atom: tuple[float, ...]
    hull_complete: int
    tc_k: tuple[float, ...]

    @property
    def near_hull(self) -> int:
        """Number of crystals less than `NEAR_HULL_EV_PER_ATOM` above the hull."""
        return sum(energy < NEAR_HULL_EV_PER_ATOM for energy in self.hull_ev_per_atom)

    @property
    def median_tc_k(self) -> float | None:
        """Median of the predicted Tc."""
        return median(self.tc_k) if self.tc_k else None

    @property
    def median_hull_ev_per_atom(self) -> float | None:
        """Median of the energy above the hull."""
        return median(self.hull_ev_per_atom) if self.hull_ev_per_atom else None


def origin_rows(summaries: Sequence[SummaryDocument]) -> list[OriginRow]:
    """Compare the origins, the most frequent first; a candidate with two origins counts in both.

    Parameters
    ----------
    summaries
        Candidates in any order.
    """
    kinds = {origin for summary in summaries for origin in summary.origins}
    rows = [_row(kind, [summary for summary in summaries if kind in summary.origins]) for kind in kinds]
    return sorted(rows, key=lambda row: (-row.proposed, row.origin))


def _row(origin: str, members: Sequence[SummaryDocument]) -> OriginRow:
    accepted = [s for s in members if not _refused(s)]
    on_hull = [s for s in accepted if s.e_above_hull_ev_per_atom is not None]
    gates = Counter(str(s.rejection_gate).replace("_", " ") for s in members if _refused(s))
    return OriginRow(
        origin=origin,
        proposed=len(members),
        refused=tuple(sorted(gates.items(), key=lambda gate: (-gate[1], gate[0]))),
        accepted=len(accepted),
        new_composition=sum(s.new_composition is True for s in accepted),
        new_structure=sum(s.new_structure is True for s in accepted),
        relaxed=sum(s.relaxation_converged is True for s in accepted),
        screened=sum(s.stage in ("screened", "verified") for s in accepted),
        passed=sum(passed_screening(s) for s in accepted),
        hull_ev_per_atom=tuple(s.e_above_hull_ev_per_atom for s in on_hull if s.e_above_hull_ev_per_atom is not None),
        hull_complete=sum(s.hull_complete is True for s in on_hull),
        tc_k=tuple(s.tc_k for s in accepted if s.tc_k is not None),
    )


def _refused(summary: SummaryDocument) -> bool:
    """Tell whether a gate of the generation refused a candidate, so that it was never relaxed."""
    return summary.rejected and summary.stage == "generated" and summary.relaxation_converged is None


def yield_figure(rows: Sequence[OriginRow]) -> go.Figure:
    """Draw how far the crystals of every origin came, in percent of the distinct ones that it proposed.

    Parameters
    ----------
    rows
        At least one origin.
    """
    figure = go.Figure(layout={"template": TEMPLATE, "height": 340, "barmode": "group", "bargap": 0.3})
    for index, row in enumerate(rows):
        reached = {
            "accepted": row.accepted,
            "new composition": row.new_composition,
            "relaxed": row.relaxed,
            f"below {NEAR_HULL_EV_PER_ATOM:g} eV/atom<br>above the hull": row.near_hull,
            "passed every gate": row.passed,
        }
        figure.add_bar(
            x=list(reached),
            y=[100 * count / row.proposed for count in reached.values()],
            name=f"{escape(row.origin)} ({row.proposed} proposed)",
            marker_color=_COLOURS[index % len(_COLOURS)],
            customdata=list(reached.values()),
            hovertemplate="%{customdata} crystals, %{y:.1f} %<extra>%{fullData.name}</extra>",
        )
    figure.update_yaxes(title_text="share of the proposed crystals (%)", rangemode="tozero")
    return figure


def origin_figure(rows: Sequence[OriginRow]) -> go.Figure:
    """Draw predicted Tc (K) and energy above the hull (eV/atom) of every candidate by origin, with quartiles.

    Parameters
    ----------
    rows
        Origins; those without a single Tc and energy are left out.
    """
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06)
    for index, row in reversed(list(enumerate(rows))):
        for column, (values, unit) in enumerate(((row.tc_k, ".1f} K"), (row.hull_ev_per_atom, ".3f} eV/atom")), 1):
            if values:
                box = _box(row.origin, values, _COLOURS[index % len(_COLOURS)], "%{x:" + unit)
                figure.add_trace(box, row=1, col=column)
    drawn = sum(bool(row.tc_k or row.hull_ev_per_atom) for row in rows)
    figure.update_layout(template=TEMPLATE, height=130 + 80 * drawn, showlegend=False)
    figure.update_xaxes(title_text="predicted T<sub>c</sub> (K)", rangemode="tozero", col=1)
    figure.update_xaxes(title_text="energy above the hull (eV/atom)", rangemode="tozero", col=2)
    if any(row.hull_ev_per_atom for row in rows):
        figure.add_vline(NEAR_HULL_EV_PER_ATOM, line={"color": GREEN, "width": 1, "dash": "dash"}, col=2)
    return figure


def _box(origin: str, values: tuple[float, ...], colour: str, hover: str) -> go.Box:
    return go.Box(
        x=values,
        name=str(escape(origin)),
        boxpoints="all",
        jitter=0.6,
        pointpos=0,
        marker={"size": 5, "opacity": 0.55, "color": colour},
        line={"width": 1.2, "color": colour},
        fillcolor="rgba(255, 255, 255, 0)",
        hovertemplate=hover + "<extra></extra>",
    )

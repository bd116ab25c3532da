"""Predicted Tc against the energy above the hull: the figure in which candidates are chosen."""

from collections.abc import Sequence

import plotly.graph_objects as go
from markupsafe import escape

from invdesflow.database.summary import SummaryDocument
from invdesflow.plotting.ranking import passed_screening
from invdesflow.plotting.style import BLUE, GREEN, GREY, INK, ORANGE, TEMPLATE, formula_html, space_group_html
from invdesflow.screening.gates import Thresholds

__all__ = ["drawable", "tc_vs_hull_figure"]

_DOMAIN = {
    True: ("inside the training domain", BLUE, "rgba(43, 99, 148, 0.35)"),
    False: ("outside the training domain", ORANGE, "rgba(200, 117, 26, 0.35)"),
    None: ("domain not known", GREY, "rgba(154, 165, 177, 0.5)"),
}
_HULL = {
    True: ("hull complete", "circle"),
    False: ("hull incomplete", "diamond"),
    None: ("hull coverage not known", "square"),
}


def drawable(summaries: Sequence[SummaryDocument]) -> list[SummaryDocument]:
    """Return the candidates that have both a predicted Tc and an energy above the hull."""
    return [s for s in summaries if s.tc_k is not None and s.e_above_hull_ev_per_atom is not None]


def tc_vs_hull_figure(summaries: Sequence[SummaryDocument], thresholds: Thresholds | None = None) -> go.Figure:
    """Draw Tc in K with one standard deviation against the energy above the hull in eV/atom.

    Colour says whether the candidate is inside the training domain of the Tc model, the symbol whether every chemical
    system within had a competitor on the hull; candidates that passed every gate are opaque with a dark rim, the others
    pale.

    Parameters
    ----------
    summaries
        Candidates; those without Tc or energy are left out.
    thresholds
        The gates of the screening; their pass region is shaded.

    Returns
    -------
    plotly.graph_objects.Figure
        One trace for every combination of domain and hull coverage that occurs.
    """
    shown = drawable(summaries)
    figure = go.Figure(layout={"template": TEMPLATE, "height": 520, "legend": {"y": -0.14, "yanchor": "top"}})
    for in_domain, (domain_label, colour, pale) in _DOMAIN.items():
        for complete, (hull_label, symbol) in _HULL.items():
            group = [s for s in shown if s.in_domain is in_domain and s.hull_complete is complete]
            if group:
                figure.add_trace(_points(group, f"{domain_label}, {hull_label}", colour, pale, symbol))
    upper_ends = [s.tc_k + (s.tc_std_k or 0.0) for s in shown if s.tc_k is not None]
    if thresholds is not None and thresholds.tc_k is not None:
        upper_ends.append(1.5 * thresholds.tc_k)
    top = 1.05 * max(upper_ends, default=0.0)
    if thresholds is not None:
        _shade_pass_region(figure, thresholds, top)
    figure.update_xaxes(title_text="energy above the hull (eV/atom)")
    figure.update_yaxes(title_text="predicted T<sub>c</sub> (K)", range=[0, top])
    return figure


def _points(group: Sequence[SummaryDocument], label: str, colour: str, pale: str, symbol: str) -> go.Scatter:
    # The legend shows the first marker of a trace.
    group = sorted(group, key=passed_screening, reverse=True)
    winners = [passed_screening(s) for s in group]
    return go.Scatter(
        x=[s.e_above_hull_ev_per_atom for s in group],
        y=[s.tc_k for s in group],
        # A bar of None is not drawn: that Tc came without an uncertainty.
        error_y={"array": [s.tc_std_k for s in group], "color": pale, "thickness": 1, "width": 0},
        mode="markers",
        name=label,
        marker={
            "symbol": symbol,
            "opacity": 1,
            "size": [10 if won else 8 for won in winners],
            "color": [colour if won else pale for won in winners],
            "line": {"color": INK, "width": [1.2 if won else 0 for won in winners]},
        },
        text=[_hover(s) for s in group],
        hovertemplate="%{text}<extra></extra>",
    )


def _hover(summary: SummaryDocument) -> str:
    spread = "" if summary.tc_std_k is None else f" ± {summary.tc_std_k:.1f}"
    fate = f"rejected: {summary.rejection_reason or summary.rejection_gate}" if summary.rejected else summary.stage
    return (
        f"<b>{formula_html(summary.reduced_formula)}</b>  "
        f"{space_group_html(summary.space_group_symbol, summary.space_group_number)}<br>"
        f"T<sub>c</sub> {summary.tc_k:.1f}{spread} K, {summary.e_above_hull_ev_per_atom:.3f} eV/atom above the hull<br>"
        f"{escape(', '.join(summary.origins))}; {escape(fate)}<br>{escape(summary.candidate_id)}"
    )


def _shade_pass_region(figure: go.Figure, thresholds: Thresholds, top: float) -> None:
    """Shade what the gates of Tc and hull let pass; towards a side without a threshold the region has no edge."""
    tc_k, hull = thresholds.tc_k, thresholds.e_above_hull_ev_per_atom
    conditions = [
        *([] if tc_k is None else [f"T<sub>c</sub> ≥ {tc_k:g} K"]),
        *([] if hull is None else [f"hull ≤ {hull:g} eV/atom"]),
    ]
    if not conditions:
        return
    across_the_figure = {"xref": "x domain", "x0": 0, "x1": 1}
    figure.add_shape(
        type="rect",
        layer="below",
        y0=tc_k or 0.0,
        y1=top,
        **(across_the_figure if hull is None else {"x0": 0, "x1": hull}),
        fillcolor=GREEN,
        opacity=0.1,
        line={"width": 0},
    )
    figure.add_annotation(
        text="passes: " + ", ".join(conditions),
        **({"xref": "x domain", "x": 1} if hull is None else {"x": hull}),
        y=top,
        xanchor="right",
        yanchor="bottom",
        showarrow=False,
        font={"color": GREEN, "size": 12},
    )

"""The map of hosts and guests, coloured by what the guests do to Tc."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from markupsafe import escape
from pymatgen.core import Element

from invdesflow.intercalation.documents import IntercalationStudyDocument, PairComparison
from invdesflow.plotting.style import BLUE, GREY, ORANGE, TEMPLATE, formula_html

__all__ = ["best_pair", "guest_name", "host_guest_map"]

_SCALE = [[0.0, BLUE], [0.5, "#ffffff"], [1.0, ORANGE]]
_ROW, _HEAD = 44, 150  # pixels


def guest_name(pair: PairComparison) -> str:
    """Name guests as a column of the map: their elements, and how many where they are not one for each site."""
    guests = pair.pair.guests
    names = [f"{element}{count}" if count > 1 and len(guests) > 1 else element for element, count in guests.items()]
    filling = "" if pair.pair.filling == 1.0 else f" {pair.pair.filling:.2g}"
    return "+".join(sorted(names)) + filling


def best_pair(study: IntercalationStudyDocument, name: str) -> PairComparison | None:
    """Return the best pair of a host with guests of a name; none where it was not tried."""
    return next((pair for pair in study.pairs if guest_name(pair) == name), None)


def host_guest_map(studies: Sequence[IntercalationStudyDocument]) -> go.Figure:
    """Draw the change of Tc for every host and guest.

    Parameters
    ----------
    studies
        At least one; of every host and guest the pair that raises Tc most.

    Returns
    -------
    plotly.graph_objects.Figure
        A heat map. Its numbers are kelvin: plain ones are from first principles, those with a tilde are predicted. A
        cross is a pair whose change is not known, for the reason that it shows; an empty field was not tried.
    """
    hosts = sorted(studies, key=lambda study: study.host_formula, reverse=True)
    guests = sorted({guest_name(pair) for study in studies for pair in study.pairs}, key=_by_number)
    found = [[best_pair(study, guest) for guest in guests] for study in hosts]
    values = np.array([[_difference(pair) for pair in row] for row in found], dtype=float)
    largest = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
    names = [str(formula_html(study.host_formula)) for study in hosts]
    figure = go.Figure(
        go.Heatmap(
            x=guests,
            y=[str(number) for number in range(len(hosts))],
            z=values,
            text=[[_text(pair) for pair in row] for row in found],
            texttemplate="%{text}",
            customdata=[[_hover(study, pair) for pair in row] for study, row in zip(hosts, found, strict=True)],
            hovertemplate="%{customdata}<extra></extra>",
            hoverongaps=True,
            colorscale=_SCALE,
            zmin=-largest,
            zmax=largest,
            xgap=3,
            ygap=3,
            colorbar={"title": {"text": "ΔT<sub>c</sub> (K)"}, "thickness": 12, "outlinewidth": 0},
        )
    )
    _mark_unknown(figure, found, guests)
    figure.update_xaxes(title_text="guest", type="category", showgrid=False, showline=False, ticks="")
    figure.update_yaxes(
        type="category",
        tickvals=[str(number) for number in range(len(hosts))],
        ticktext=names,
        showgrid=False,
        showline=False,
        ticks="",
    )
    figure.update_layout(template=TEMPLATE, height=_HEAD + _ROW * len(hosts), plot_bgcolor="#f3f5f7")
    return figure


def _mark_unknown(figure: go.Figure, found: list[list[PairComparison | None]], guests: list[str]) -> None:
    """Cross out the fields whose change of Tc is not known; a heat map leaves them as empty as those not tried."""
    unknown = [
        (guests[column], str(row), pair)
        for row, pairs in enumerate(found)
        for column, pair in enumerate(pairs)
        if pair is not None and pair.tc_k.difference is None
    ]
    if unknown:
        figure.add_scatter(
            x=[guest for guest, _, _ in unknown],
            y=[row for _, row, _ in unknown],
            name="tried, not known",
            mode="markers",
            marker={"symbol": "x-thin", "size": 12, "line": {"color": GREY, "width": 2}},
            customdata=[str(escape(f"{pair.formula}: {pair.tc_k.reason}")) for _, _, pair in unknown],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=True,
        )


def _difference(pair: PairComparison | None) -> float:
    return float("nan") if pair is None or pair.tc_k.difference is None else pair.tc_k.difference


def _text(pair: PairComparison | None) -> str:
    if pair is None or pair.tc_k.difference is None:
        return ""
    return f"{pair.tc_k.difference:+.2g}" if pair.verified else f"~{pair.tc_k.difference:+.2g}"


def _hover(study: IntercalationStudyDocument, pair: PairComparison | None) -> str:
    if pair is None:
        return "not tried"
    tc = pair.tc_k
    if tc.difference is None:
        return str(escape(f"{pair.formula}: {tc.reason}"))
    host, guest = formula_html(study.host_formula), formula_html(pair.formula)
    return f"{host} {tc.host:.3g} K → {guest} {tc.guest:.3g} K<br>{pair.basis}"


def _by_number(name: str) -> tuple[int, str]:
    """Sort guests by the atomic number of the first element."""
    symbol = next((name[:length] for length in (2, 1) if Element.is_valid_symbol(name[:length])), "")
    return (Element(symbol).Z if symbol else 0, name)

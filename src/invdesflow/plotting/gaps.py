"""The superconducting gap against temperature, as a distribution over the Fermi surface where it is anisotropic."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import escape
from numpy.typing import NDArray

from invdesflow.epw.outputs import GapOutput
from invdesflow.plotting.style import BLUE, GREY, ORANGE, PALE_BLUE, TEMPLATE

__all__ = ["gap_distributions", "gap_figure"]

_GAP, _DENSITY = "gap_", "gap_density_"
_VISIBLE = 1e-3  # share of the largest density below which nothing is drawn
_SHARE_OF_SPACING = 0.75  # what a distribution takes of the room up to the next temperature


def gap_distributions(
    arrays: Mapping[str, NDArray[Any]],
) -> dict[float, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return the distributions of the anisotropic gap, the coldest first.

    Parameters
    ----------
    arrays
        ``gap_T`` and ``gap_density_T`` for each temperature T in K.

    Returns
    -------
    dict
        Temperature in K -> gaps in meV and their densities; shapes (n,).
    """
    names = [name.removeprefix(_DENSITY) for name in arrays if name.startswith(_DENSITY)]
    return {float(name): (arrays[_GAP + name], arrays[_DENSITY + name]) for name in sorted(names, key=float)}


def gap_figure(gaps: Sequence[GapOutput], arrays: Mapping[str, NDArray[Any]], tc_k: float | None = None) -> go.Figure:
    """Draw the gap at each temperature.

    Parameters
    ----------
    gaps
        What epw.x found at each temperature, in any order.
    arrays
        Distributions, as for `gap_distributions`; none of an isotropic gap.
    tc_k
        Where it closes, in K; drawn as a line.

    Returns
    -------
    plotly.graph_objects.Figure
        One trace for each distribution, which begins at its temperature; the mean gaps; on the axis a cross at each
        temperature at which the gap has vanished, and an open circle where epw.x did not converge.
    """
    distributions = gap_distributions(arrays)
    # A name of an array holds six digits of its temperature, and both are one temperature.
    temperatures = sorted({*distributions, *(float(f"{gap.temperature_k:.6g}") for gap in gaps)})
    width = _SHARE_OF_SPACING * (np.diff(temperatures).min() if len(temperatures) > 1 else temperatures[0])
    figure = go.Figure()
    for number, (temperature, (gap_mev, density)) in enumerate(distributions.items()):
        figure.add_trace(_distribution(temperature, gap_mev, density / density.max() * width, first=number == 0))
    found = sorted((gap for gap in gaps if gap.gap_mean_mev is not None), key=lambda gap: gap.temperature_k)
    if found:
        figure.add_trace(_means(found, anisotropic=bool(distributions)))
    missing = [gap for gap in gaps if gap.gap_mean_mev is None]
    for name, symbol, these in (
        ("no gap", "x-thin", [gap for gap in missing if gap.vanished]),
        ("unknown: not converged", "circle-open", [gap for gap in missing if not gap.vanished]),
    ):
        if these:
            figure.add_trace(_missing(these, name, symbol))
    if tc_k is not None:
        figure.add_vline(x=tc_k, line={"color": GREY, "dash": "dot", "width": 1}, annotation_text="T<sub>c</sub>")
    highest = max([0.0, *(gap.gap_max_mev for gap in found if gap.gap_max_mev is not None)])
    end = max([*(temperature + width for temperature in distributions), *temperatures, tc_k or 0.0])
    figure.update_xaxes(title_text="temperature (K)", range=[0.0, 1.05 * end])
    figure.update_yaxes(title_text="Δ (meV)", range=[-0.03 * highest, 1.15 * highest] if highest else None)
    figure.update_layout(template=TEMPLATE, height=420)
    return figure


def _distribution(
    temperature_k: float, gap_mev: NDArray[np.float64], extent_k: NDArray[np.float64], *, first: bool
) -> go.Scatter:
    (visible,) = np.nonzero(extent_k > _VISIBLE * extent_k.max())
    around = slice(max(visible[0] - 1, 0), visible[-1] + 2)  # what lies between two gaps belongs to it
    gaps, extents = gap_mev[around], extent_k[around]
    return go.Scatter(
        x=np.concatenate([[temperature_k], temperature_k + extents, [temperature_k]]),
        y=np.concatenate([gaps[:1], gaps, gaps[-1:]]),
        name="distribution over the Fermi surface",
        legendgroup="distribution",
        showlegend=first,
        mode="lines",
        fill="toself",
        fillcolor=PALE_BLUE,
        line={"color": BLUE, "width": 1},
        hovertemplate=f"{temperature_k:.4g} K<br>%{{y:.3g}} meV<extra></extra>",
    )


def _means(gaps: Sequence[GapOutput], *, anisotropic: bool) -> go.Scatter:
    return go.Scatter(
        x=[gap.temperature_k for gap in gaps],
        y=[gap.gap_mean_mev for gap in gaps],
        name="mean" if anisotropic else "isotropic gap",
        mode="lines+markers",
        line={"color": ORANGE, "width": 1, "dash": "dot"},
        marker={"color": ORANGE, "size": 7},
        hovertemplate="%{x:.4g} K<br>%{y:.4g} meV<extra></extra>",
    )


def _missing(gaps: Sequence[GapOutput], name: str, symbol: str) -> go.Scatter:
    return go.Scatter(
        x=[gap.temperature_k for gap in gaps],
        y=[0.0] * len(gaps),
        name=name,
        mode="markers",
        marker={"color": GREY, "size": 9, "symbol": symbol, "line": {"color": GREY, "width": 2}},
        customdata=[str(escape(gap.reason)) for gap in gaps],
        hovertemplate="%{x:.4g} K<br>%{customdata}<extra></extra>",
        cliponaxis=False,
    )

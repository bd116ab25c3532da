"""Phonon bands, with the coupling of every phonon where it is known, and the projected density of states."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots
from pymatgen.core import Structure

from invdesflow.eliashberg.units import MEV_PER_UNIT
from invdesflow.plotting.style import BLUE, GREEN, GREY, INK, ORANGE, PALE_ORANGE, TEMPLATE
from invdesflow.plotting.wave_vector_path import WaveVectorPath

__all__ = ["coupling_scale", "dos_by_element", "phonon_bands_figure"]

_MEV = MEV_PER_UNIT["cm-1"]
_LAMBDA = "λ<sub>qν</sub>"  # noqa: RUF001 - the Greek letter is meant
_LARGEST_DOT = 14.0  # pixels
_SCALE = [[0.0, PALE_ORANGE], [1.0, "#a3330c"]]
_NEAR_GAMMA = 0.25  # of the way to the farthest point of the path
_ACOUSTIC_BRANCHES = 3
_MARGIN = 0.05
_NOISE = 0.005  # imaginary energies of this share of the highest one, at Gamma, are not worth a remark
_COLOURS = (BLUE, ORANGE, GREEN, "#8b5a9c", "#b5484d", "#3d9a9a")


def phonon_bands_figure(
    arrays: Mapping[str, NDArray[Any]],
    structure: Structure,
    *,
    elements: Sequence[str] = (),
    full_scale: float | None = None,
) -> go.Figure:
    """Draw the phonons along the path and their density of states by element beside them.

    Parameters
    ----------
    arrays
        ``phonon_q_points``, ``phonon_frequencies_cm1``, ``phonon_distances``, ``phonon_dos_cm1``, ``phonon_dos``,
        ``phonon_dos_by_atom`` and the labels of the path, as `invdesflow.epw.result_arrays` describes them;
        ``path_lambda`` may be missing.
    structure
        The crystal, its atoms in the order of the density of states.
    elements
        Elements in the order in which they get their colours, so that figures of several crystals agree; by default
        those of this one.
    full_scale
        Coupling at which dots are largest, so that figures of several crystals agree; by default `coupling_scale`.

    Returns
    -------
    plotly.graph_objects.Figure
        Energies in meV, imaginary ones below zero. The bands; a dot for every phonon that couples, whose area and
        colour are its lambda, up to the largest one outside the acoustic branches near Gamma; and the density of
        states of each element, and of all where there are several.
    """
    path = WaveVectorPath.of(arrays, "phonon")
    bands_mev = arrays["phonon_frequencies_cm1"] * _MEV
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, column_widths=[0.76, 0.24], horizontal_spacing=0.03)
    x, y = path.lines(bands_mev)
    figure.add_scatter(
        x=x,
        y=y,
        name="phonons",
        mode="lines",
        line={"color": GREY if "path_lambda" in arrays else BLUE, "width": 1.5},
        customdata=y / _MEV,
        hovertemplate="%{y:.2f} meV (%{customdata:.1f} cm<sup>-1</sup>)<extra></extra>",
        showlegend=False,
        row=1,
        col=1,
    )
    if "path_lambda" in arrays:
        scale = full_scale or coupling_scale(arrays, structure)
        _add_couplings(figure, path, bands_mev, arrays["path_lambda"], scale)
    _add_densities(figure, arrays, structure, elements)
    path.label(figure, row=1, col=1)
    lowest, highest = min(bands_mev.min(), 0.0), bands_mev.max()
    margin = _MARGIN * (highest - lowest)
    if lowest < -_NOISE * highest:
        lowest -= margin
        _mark_imaginary(figure, lowest)
    figure.update_yaxes(range=[lowest, highest + margin])
    figure.update_yaxes(title_text="phonon energy (meV)", row=1, col=1)
    figure.update_yaxes(ticks="", row=1, col=2)
    figure.update_xaxes(title_text="states/meV/cell", rangemode="tozero", nticks=5, row=1, col=2)
    figure.update_layout(template=TEMPLATE, height=480)
    return figure


def coupling_scale(arrays: Mapping[str, NDArray[Any]], structure: Structure) -> float:
    """Return the largest coupling along the path outside the acoustic branches near Gamma.

    There it grows without limit, as 1/q, and would hide all others.

    Parameters
    ----------
    arrays, structure
        As for `phonon_bands_figure`, with ``path_lambda``.

    Returns
    -------
    float
        Zero where nothing couples.
    """
    couplings, near_gamma = arrays["path_lambda"], _near_gamma(arrays["phonon_q_points"], structure)
    acoustic = near_gamma[:, None] & (np.arange(couplings.shape[1]) < _ACOUSTIC_BRANCHES)
    couples = _couples(couplings)
    return float(couplings[couples & ~acoustic].max(initial=0.0) or couplings[couples].max(initial=0.0))


def dos_by_element(by_atom: NDArray[np.float64], structure: Structure) -> dict[str, NDArray[np.float64]]:
    """Sum the density of states over the atoms of each element.

    Parameters
    ----------
    by_atom
        Contribution of each atom; shape (atoms, n).
    structure
        The atoms in the same order.

    Returns
    -------
    dict
        Symbol -> density; shape (n,), in the order of their first atoms.
    """
    densities: dict[str, NDArray[np.float64]] = {}
    for site, density in zip(structure, by_atom, strict=True):
        densities[site.specie.symbol] = densities.get(site.specie.symbol, 0.0) + density
    return densities


def _couples(couplings: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(couplings) & (couplings > 0.0))


def _near_gamma(q_points: NDArray[np.float64], structure: Structure) -> NDArray[np.bool_]:
    """Tell which points of a path are close to the centre of the Brillouin zone; shape (nq,)."""
    lengths = np.linalg.norm((q_points - q_points.round()) @ structure.lattice.reciprocal_lattice.matrix, axis=1)
    return np.asarray(lengths < _NEAR_GAMMA * lengths.max())


def _add_couplings(
    figure: go.Figure,
    path: WaveVectorPath,
    bands_mev: NDArray[np.float64],
    couplings: NDArray[np.float64],
    full_scale: float,
) -> None:
    couples = _couples(couplings)
    if not couples.any():
        return
    values = couplings[couples]
    beyond = "≥ " if values.max() > full_scale else ""
    figure.add_scatter(
        x=np.broadcast_to(path.distances[:, None], couplings.shape)[couples],
        y=bands_mev[couples],
        name=_LAMBDA,
        mode="markers",
        marker={
            "size": values.clip(max=full_scale),
            "sizemode": "area",
            "sizeref": full_scale / _LARGEST_DOT**2,
            "sizemin": 0.5,
            "color": values,
            "colorscale": _SCALE,
            "cmin": 0.0,
            "cmax": full_scale,
            "opacity": 0.85,
            "line": {"width": 0},
            "colorbar": {
                "title": {"text": f"{_LAMBDA}<br>&nbsp;"},
                "tickvals": [0.0, full_scale / 2, full_scale],
                "ticktext": ["0", f"{full_scale / 2:.2g}", f"{beyond}{full_scale:.2g}"],
                "thickness": 12,
                "len": 0.8,
                "outlinewidth": 0,
            },
        },
        showlegend=False,
        hovertemplate=f"%{{y:.2f}} meV<br>{_LAMBDA} %{{marker.color:.3f}}<extra></extra>",
        row=1,
        col=1,
    )


def _add_densities(
    figure: go.Figure, arrays: Mapping[str, NDArray[Any]], structure: Structure, elements: Sequence[str]
) -> None:
    energies_mev = arrays["phonon_dos_cm1"] * _MEV
    densities = dos_by_element(arrays["phonon_dos_by_atom"], structure)
    order = list(dict.fromkeys([*elements, *densities]))
    lines = {symbol: (density, _COLOURS[order.index(symbol) % len(_COLOURS)]) for symbol, density in densities.items()}
    if len(lines) > 1:
        lines["all"] = (arrays["phonon_dos"], INK)
    for name, (density, colour) in lines.items():
        figure.add_scatter(
            x=density / _MEV,
            y=energies_mev,
            name=name,
            mode="lines",
            fill=None if name == "all" else "tozerox",
            line={"color": colour, "width": 1.2},
            hovertemplate=f"%{{y:.2f}} meV<br>{name} %{{x:.3f}} states/meV<extra></extra>",
            row=1,
            col=2,
        )


def _mark_imaginary(figure: go.Figure, lowest_mev: float) -> None:
    figure.add_hrect(y0=lowest_mev, y1=0.0, fillcolor=PALE_ORANGE, opacity=0.35, line_width=0, layer="below")
    figure.add_annotation(
        x=0.01,
        y=0.01,
        xref="x domain",
        yref="y domain",
        text="imaginary",
        showarrow=False,
        xanchor="left",
        yanchor="bottom",
        font={"size": 12, "color": "#8a4b0d"},
    )

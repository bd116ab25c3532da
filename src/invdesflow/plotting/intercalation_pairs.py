"""Figures of a host beside those of a crystal with guests, on equal axes."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from numpy.typing import NDArray
from pymatgen.core import Structure

from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.intercalation.coupling_windows import AtomCoupling
from invdesflow.intercalation.documents import CouplingChange
from invdesflow.plotting.electron_phonon_figures import FigureName, electron_phonon_figures
from invdesflow.plotting.phonon_bands import coupling_scale, phonon_bands_figure
from invdesflow.plotting.style import BLUE, GREEN, INK, ORANGE, TEMPLATE, formula_html

__all__ = ["Calculated", "PhononBands", "bands_side_by_side", "coupling_split_figure", "side_by_side"]

Calculated = tuple[ElectronPhononDocument, Mapping[str, NDArray[Any]]]
PhononBands = tuple[Structure, Mapping[str, NDArray[Any]]]
"""A crystal and its phonons, its atoms in the order of the projected density of states."""

_KINDS: tuple[FigureName, ...] = ("phonons", "alpha2f", "gap")
_COLOURS = (BLUE, ORANGE, GREEN, "#8b5a9c", "#b5484d", "#3d9a9a")


def side_by_side(host: Calculated, guest: Calculated) -> dict[str, tuple[go.Figure | None, go.Figure | None]]:
    """Draw phonons, spectral function and gap of both.

    Parameters
    ----------
    host, guest
        The calculations with their arrays.

    Returns
    -------
    dict
        ``phonons``, ``alpha2f`` and ``gap`` -> the figures of the host and of the crystal with guests, on equal axes;
        None where one did not come so far. What neither has is left out.
    """
    phonons = bands_side_by_side((_crystal(host[0]), host[1]), (_crystal(guest[0]), guest[1]))
    left, right = (
        electron_phonon_figures(*one) | ({} if figure is None else {"phonons": figure})
        for one, figure in zip((host, guest), phonons, strict=True)
    )
    found: dict[str, tuple[go.Figure | None, go.Figure | None]] = {
        kind: (left.get(kind), right.get(kind)) for kind in _KINDS if kind in left or kind in right
    }
    for pair in found.values():
        figures = [figure for figure in pair if figure is not None]
        for figure in figures:
            figure.update_layout(width=None)
        along_path = bool(figures[0].layout.xaxis.ticktext)  # no two crystals share a path
        for axis in ("yaxis", "yaxis2") if along_path else ("xaxis", "yaxis", "yaxis2"):
            _equalise(figures, axis)
    return found


def bands_side_by_side(host: PhononBands, guest: PhononBands) -> tuple[go.Figure | None, go.Figure | None]:
    """Draw the phonons of both with the same energies, colours of elements and scale of the coupling.

    Parameters
    ----------
    host, guest
        Crystals and arrays, as for `invdesflow.plotting.phonon_bands.phonon_bands_figure`.

    Returns
    -------
    tuple of Figure
        None where there are no phonons.
    """
    known = [one for one in (host, guest) if "phonon_frequencies_cm1" in one[1]]
    elements = list(dict.fromkeys(site.specie.symbol for structure, _ in known for site in structure))
    scales = [coupling_scale(its, structure) for structure, its in known if "path_lambda" in its]
    drawn = [
        phonon_bands_figure(its, structure, elements=elements, full_scale=max(scales, default=None))
        if "phonon_frequencies_cm1" in its
        else None
        for structure, its in (host, guest)
    ]
    for axis in ("yaxis", "yaxis2"):
        _equalise([figure for figure in drawn if figure is not None], axis)
    return drawn[0], drawn[1]


def coupling_split_figure(change: CouplingChange, host: str, guest: str) -> go.Figure:
    """Draw lambda of both by elements and by windows of the phonon energy, as stacked bars.

    Parameters
    ----------
    change
        With lambda split.
    host, guest
        Reduced formulas.
    """
    names = [str(formula_html(formula)) for formula in (host, guest)]
    atoms = [_by_element(change.host_atoms), _by_element(change.guest_atoms)]
    figure = go.Figure()
    for number, element in enumerate(dict.fromkeys([*atoms[0], *atoms[1]])):
        figure.add_bar(
            y=[f"{name} by atoms" for name in names],
            x=[part.get(element, 0.0) for part in atoms],
            name=element,
            orientation="h",
            marker={"color": _COLOURS[number % len(_COLOURS)]},
            hovertemplate=f"{element} %{{x:.3f}}<extra></extra>",
        )
    windows = [change.host_windows, change.guest_windows]
    for number in range(max(map(len, windows))):
        parts = [part[number] if number < len(part) else None for part in windows]
        figure.add_bar(
            y=[f"{name} by energy" for name in names],
            x=[None if part is None else part.lambda_ for part in parts],
            text=["" if part is None else f"{part.low_mev:.0f} to {part.high_mev:.0f} meV" for part in parts],
            textposition="inside",
            insidetextanchor="middle",
            orientation="h",
            marker={"color": "#e3e8ee" if number % 2 else "#cbd4de", "line": {"color": "white", "width": 1}},
            textfont={"color": INK},
            hovertemplate="%{text}: %{x:.3f}<extra></extra>",
            showlegend=False,
        )
    order = [f"{name} by {what}" for what in ("energy", "atoms") for name in reversed(names)]
    figure.update_yaxes(categoryorder="array", categoryarray=order, ticks="", showgrid=False)
    figure.update_xaxes(title_text="λ")
    figure.update_layout(template=TEMPLATE, barmode="stack", height=300, bargap=0.35)
    return figure


def _crystal(document: ElectronPhononDocument) -> Structure:
    return document.relaxed_structure or document.structure


def _by_element(atoms: Sequence[AtomCoupling]) -> dict[str, float]:
    found: dict[str, float] = {}
    for atom in atoms:
        found[atom.element] = found.get(atom.element, 0.0) + atom.lambda_
    return found


def _equalise(figures: Sequence[go.Figure], axis: str) -> None:
    ranges = [figure.layout[axis].range for figure in figures if axis in figure.layout]
    known = [span for span in ranges if span]
    if known:
        span = [min(low for low, _ in known), max(high for _, high in known)]
        for figure in figures:
            figure.layout[axis].range = span

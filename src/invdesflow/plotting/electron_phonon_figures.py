"""The figures of an electron-phonon calculation, as far as it came."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import plotly.graph_objects as go
from numpy.typing import NDArray

from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import ConfigurationError
from invdesflow.plotting.alpha2f import alpha2f_figure
from invdesflow.plotting.critical_temperatures import critical_temperature_figure
from invdesflow.plotting.electron_bands import electron_bands_figure
from invdesflow.plotting.gaps import gap_distributions, gap_figure
from invdesflow.plotting.mesh_convergence import mesh_convergence_figure
from invdesflow.plotting.phonon_bands import phonon_bands_figure

__all__ = ["FIGURES", "FigureName", "electron_phonon_figure", "electron_phonon_figures"]

FigureName = Literal["bands", "phonons", "alpha2f", "gap", "tc", "convergence"]
FIGURES: tuple[FigureName, ...] = get_args(FigureName)

Arrays = Mapping[str, NDArray[Any]]


def electron_phonon_figure(document: ElectronPhononDocument, arrays: Arrays, name: FigureName) -> go.Figure:
    """Draw one figure.

    Parameters
    ----------
    document
        The calculation.
    arrays
        Its arrays; empty where it has none.
    name
        One of `FIGURES`.

    Raises
    ------
    ConfigurationError
        If the calculation did not come so far.
    """
    figure = _DRAWN_BY[name](document, arrays)
    if figure is None:
        raise ConfigurationError(
            f"The calculation {document.elph_id} is {document.status.replace('_', ' ')} and has nothing for the figure "
            f"{name!r}.",
            f"It has: {', '.join(electron_phonon_figures(document, arrays)) or 'none yet'}.",
        )
    return figure


def electron_phonon_figures(document: ElectronPhononDocument, arrays: Arrays) -> dict[str, go.Figure]:
    """Draw every figure that the calculation has data for; parameters as for `electron_phonon_figure`."""
    drawn = {name: _DRAWN_BY[name](document, arrays) for name in FIGURES}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _bands(_: ElectronPhononDocument, arrays: Arrays) -> go.Figure | None:
    return electron_bands_figure(arrays) if "bands_ev" in arrays else None


def _phonons(document: ElectronPhononDocument, arrays: Arrays) -> go.Figure | None:
    if "phonon_frequencies_cm1" not in arrays:
        return None
    return phonon_bands_figure(arrays, document.relaxed_structure or document.structure)


def _alpha2f(_: ElectronPhononDocument, arrays: Arrays) -> go.Figure | None:
    if "alpha2f" not in arrays:
        return None
    return alpha2f_figure(Alpha2F(arrays["alpha2f_mev"], arrays["alpha2f"]))


def _gap(document: ElectronPhononDocument, arrays: Arrays) -> go.Figure | None:
    if not document.gaps:
        return None
    method = "anisotropic_epw" if gap_distributions(arrays) else "migdal_eliashberg_epw"
    # The first one belongs to the mu* with which epw.x ran.
    closes_at = next((tc.tc_k for tc in document.critical_temperatures if tc.method == method), None)
    return gap_figure(document.gaps, arrays, closes_at)


def _tc(document: ElectronPhononDocument, _: Arrays) -> go.Figure | None:
    if all(tc.tc_k is None for tc in document.critical_temperatures):
        return None
    return critical_temperature_figure(document.critical_temperatures)


def _convergence(document: ElectronPhononDocument, _: Arrays) -> go.Figure | None:
    return mesh_convergence_figure(document.mesh_convergence) if document.mesh_convergence else None


_DRAWN_BY: dict[FigureName, Callable[[ElectronPhononDocument, Arrays], go.Figure | None]] = {
    "bands": _bands,
    "phonons": _phonons,
    "alpha2f": _alpha2f,
    "gap": _gap,
    "tc": _tc,
    "convergence": _convergence,
}

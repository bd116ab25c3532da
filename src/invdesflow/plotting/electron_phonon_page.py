"""The page of an electron-phonon calculation: one HTML file that needs neither network nor database."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from invdesflow.crystals.symmetry import conventional
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.plotting.critical_temperatures import METHOD_LABELS
from invdesflow.plotting.electron_phonon_facts import STATUS_LABELS, coupling_facts, headline_tc
from invdesflow.plotting.electron_phonon_figures import electron_phonon_figures
from invdesflow.plotting.facts import flat_parameters
from invdesflow.plotting.mesh_convergence import mesh_text
from invdesflow.plotting.pages import render_page
from invdesflow.plotting.structures import structure_figure

__all__ = ["electron_phonon_page"]


def electron_phonon_page(document: ElectronPhononDocument, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Describe a calculation in one self-contained HTML page.

    Parameters
    ----------
    document
        The calculation, at any status: what it did not come to is said to be missing.
    arrays
        Its arrays, as `invdesflow.epw.result_arrays` describes them; empty where it has none.

    Returns
    -------
    str
        HTML of `invdesflow.plotting.pages.render_page`.

    Raises
    ------
    StructureError
        If the symmetry of the crystal cannot be found.
    """
    cell = conventional(document.relaxed_structure or document.structure)
    figures = electron_phonon_figures(document, arrays)
    for figure in figures.values():
        figure.update_layout(width=None)  # as wide as the page lets it be
    return render_page(
        "electron_phonon.html.j2",
        {"structure": structure_figure(cell), **figures},
        document=document,
        cell=cell,
        status=STATUS_LABELS[document.status],
        headline=headline_tc(document),
        method_labels=METHOD_LABELS,
        mesh_text=mesh_text,
        couples="path_lambda" in arrays,
        facts=coupling_facts(document),
        settings=flat_parameters(document.settings),
    )

"""The density of states of the electrons by elements and orbitals."""

import plotly.graph_objects as go
from markupsafe import escape

from invdesflow.espresso.dos_jobs import ProjectedDos
from invdesflow.plotting.style import BLUE, GREEN, GREY, INK, ORANGE, TEMPLATE

__all__ = ["projected_dos_figure"]

_COLOURS = (BLUE, ORANGE, GREEN, "#8b5a9c", "#b5484d", "#3d9a9a")
_DASHES = {"s": "solid", "p": "dash", "d": "dot", "f": "dashdot"}
_SHOWN_EV = (-12.0, 6.0)


def projected_dos_figure(dos: ProjectedDos) -> go.Figure:
    """Draw a density of states and its parts.

    Parameters
    ----------
    dos
        As from `invdesflow.espresso.dos_jobs.read_projected_dos`.

    Returns
    -------
    plotly.graph_objects.Figure
        The total as an area, and a line for the orbitals of each element: its colour is the element, its dashes are
        the angular momentum. It shows 12 eV below to 6 eV above the Fermi level; the rest by zooming out.
    """
    elements = sorted({element for element, _ in dos.projected})
    figure = go.Figure(
        go.Scatter(
            x=dos.energies_ev,
            y=dos.total,
            name="total",
            mode="lines",
            fill="tozeroy",
            fillcolor="#e8ecf0",
            line={"color": INK, "width": 1},
            hovertemplate="%{x:.2f} eV<br>%{y:.3f} states/eV<extra>total</extra>",
        )
    )
    for element, orbital in sorted(dos.projected, key=lambda part: (part[0], "spdf".index(part[1]))):
        name = f"{escape(element)} {orbital}"
        figure.add_scatter(
            x=dos.energies_ev,
            y=dos.projected[element, orbital],
            name=name,
            mode="lines",
            line={
                "color": _COLOURS[elements.index(element) % len(_COLOURS)],
                "dash": _DASHES[orbital],
                "width": 1.8,
            },
            hovertemplate=f"%{{x:.2f}} eV<br>%{{y:.3f}} states/eV<extra>{name}</extra>",
        )
    figure.add_vline(x=0.0, line={"color": GREY, "dash": "dash", "width": 1})
    shown = (dos.energies_ev >= _SHOWN_EV[0]) & (dos.energies_ev <= _SHOWN_EV[1])
    figure.update_xaxes(title_text="E - E<sub>F</sub> (eV)", range=list(_SHOWN_EV))
    figure.update_yaxes(title_text="states/eV/cell", range=[0.0, 1.08 * float(dos.total[shown].max())])
    figure.update_layout(template=TEMPLATE, height=420)
    return figure

"""Electron bands, as pw.x finds them and as the Wannier functions interpolate them, with their density of states."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from invdesflow.plotting.style import BLUE, GREY, INK, ORANGE, PALE_BLUE, TEMPLATE
from invdesflow.plotting.wave_vector_path import WaveVectorPath

__all__ = ["electron_bands_figure"]

_ENERGY = "E - E<sub>F</sub> (eV)"
_HIGHEST_EV = 8.0  # what is shown above the Fermi level before zooming out
_MARGIN_EV = 0.5


def electron_bands_figure(arrays: Mapping[str, NDArray[Any]]) -> go.Figure:
    """Draw the bands along the path and the density of states beside them.

    Parameters
    ----------
    arrays
        ``bands_ev``, ``wannier_bands_ev``, ``electron_distances``, ``dos_ev``, ``dos`` and the labels of the path, as
        `invdesflow.epw.result_arrays` describes them.

    Returns
    -------
    plotly.graph_objects.Figure
        Three traces: lines of pw.x, dots of the interpolation, density of states. It shows everything from the lowest
        band, or the beginning of the density of states, to 8 eV above the Fermi level; the rest by zooming out.
    """
    path = WaveVectorPath.of(arrays, "electron")
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, column_widths=[0.76, 0.24], horizontal_spacing=0.03)
    x, y = path.lines(arrays["bands_ev"])
    figure.add_scatter(
        x=x,
        y=y,
        name="pw.x",
        mode="lines",
        line={"color": BLUE, "width": 1.5},
        hovertemplate="%{y:.3f} eV<extra>pw.x</extra>",
        row=1,
        col=1,
    )
    x, y = path.lines(arrays["wannier_bands_ev"])
    figure.add_scatter(
        x=x,
        y=y,
        name="Wannier functions",
        mode="markers",
        marker={"color": ORANGE, "size": 3.5},
        hovertemplate="%{y:.3f} eV<extra>Wannier functions</extra>",
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=arrays["dos"],
        y=arrays["dos_ev"],
        name="density of states",
        mode="lines",
        fill="tozerox",
        fillcolor=PALE_BLUE,
        line={"color": INK, "width": 1},
        showlegend=False,
        hovertemplate="%{y:.2f} eV<br>%{x:.3f} states/eV<extra></extra>",
        row=1,
        col=2,
    )
    path.label(figure, row=1, col=1)
    figure.add_hline(y=0.0, line={"color": GREY, "dash": "dash", "width": 1})
    lowest = max(arrays["bands_ev"].min() - _MARGIN_EV, arrays["dos_ev"][0])
    figure.update_yaxes(range=[lowest, _HIGHEST_EV])
    figure.update_yaxes(title_text=_ENERGY, row=1, col=1)
    figure.update_yaxes(ticks="", row=1, col=2)
    figure.update_xaxes(title_text="states/eV/cell", rangemode="tozero", nticks=5, row=1, col=2)
    figure.update_layout(template=TEMPLATE, height=480)
    return figure

"""The Fermi surface in the first Brillouin zone."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from invdesflow.epw.brillouin_zone import BrillouinZone
from invdesflow.epw.fermi_surface import FermiSheet, FermiSurface
from invdesflow.plotting.style import BLUE, GREEN, INK, ORANGE, TEMPLATE

__all__ = ["SPEED", "fermi_surface_figure"]

SPEED = "|dE/dk| (eV Å)"
_COLOURS = (BLUE, ORANGE, GREEN, "#8b5a9c", "#b5484d", "#3d9a9a")
_LIGHT = {"ambient": 0.6, "diffuse": 0.7, "specular": 0.1, "roughness": 0.6}
_LIGHT_FROM = {"x": -1e5, "y": -1e5, "z": -3e4}  # as the viewer sees it: what is in front is lit


def fermi_surface_figure(
    surface: FermiSurface, values: Sequence[NDArray[np.float64]] | None = None, label: str = SPEED
) -> go.Figure:
    """Draw the sheets of a Fermi surface and the edges of the Brillouin zone.

    Parameters
    ----------
    surface
        The Fermi surface.
    values
        For each sheet a value at each of its points, which becomes its colour, as from
        `invdesflow.epw.fermi_surface_values.values_on_sheets` or ``surface.speeds_ev_a``. Without them each sheet has
        a colour of its own.
    label
        What the values are.

    Returns
    -------
    plotly.graph_objects.Figure
        A trace for each sheet, which the legend switches on and off, and one for the edges.
    """
    figure = go.Figure(_edges(surface.zone))
    if values is None:
        for sheet, colour in zip(surface.sheets, _cycled(len(surface.sheets)), strict=True):
            figure.add_trace(_mesh(sheet, color=colour))
    else:
        for sheet, found in zip(surface.sheets, values, strict=True):
            figure.add_trace(
                _mesh(
                    sheet,
                    intensity=found,
                    coloraxis="coloraxis",
                    hovertemplate="%{intensity:.3g}<extra>%{name}</extra>",
                )
            )
        figure.update_layout(coloraxis={"colorscale": "Viridis", "colorbar": {"title": {"text": label}, "len": 0.7}})
    hidden = {"visible": False}
    figure.update_layout(
        template=TEMPLATE,
        height=620,
        margin={"l": 0, "r": 0, "t": 40, "b": 0},
        scene={
            "xaxis": hidden,
            "yaxis": hidden,
            "zaxis": hidden,
            "aspectmode": "data",
            "camera": {"eye": {"x": 0.95, "y": 0.55, "z": 0.4}, "projection": {"type": "orthographic"}},
        },
    )
    return figure


def _mesh(sheet: FermiSheet, **colouring: object) -> go.Mesh3d:
    x, y, z = sheet.points.T
    i, j, k = sheet.triangles.T
    return go.Mesh3d(
        x=x,
        y=y,
        z=z,
        i=i,
        j=j,
        k=k,
        name=f"band {sheet.band + 1}",
        showlegend=True,
        lighting=_LIGHT,
        lightposition=_LIGHT_FROM,
        **({"hoverinfo": "name"} | colouring),
    )


def _edges(zone: BrillouinZone) -> go.Scatter3d:
    gap = np.full((1, 3), np.nan)
    x, y, z = np.concatenate([row for face in zone.faces for row in (face, face[:1], gap)]).T
    return go.Scatter3d(
        x=x, y=y, z=z, mode="lines", line={"color": INK, "width": 2}, hoverinfo="skip", showlegend=False
    )


def _cycled(number: int) -> list[str]:
    return [_COLOURS[index % len(_COLOURS)] for index in range(number)]

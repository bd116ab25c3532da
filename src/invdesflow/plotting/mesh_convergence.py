"""Lambda and Tc against the meshes of the interpolation."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from invdesflow.epw.outputs import MeshStep
from invdesflow.plotting.style import BLUE, ORANGE, TEMPLATE

__all__ = ["mesh_convergence_figure", "mesh_text"]


def mesh_text(mesh: tuple[int, int, int]) -> str:
    """Write a mesh: ``12 x 12 x 8`` with the sign of multiplication."""
    return " × ".join(map(str, mesh))  # noqa: RUF001 - the sign is meant


def mesh_convergence_figure(steps: Sequence[MeshStep]) -> go.Figure:
    """Draw what the coupling came to on each pair of meshes.

    Parameters
    ----------
    steps
        The coarsest first.

    Returns
    -------
    plotly.graph_objects.Figure
        Two traces: lambda on the left axis, isotropic Tc in K on the right one; a gap where there is no Tc.
    """
    meshes = [f"k {mesh_text(step.k_mesh)}<br>q {mesh_text(step.q_mesh)}" for step in steps]
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    figure.add_scatter(
        x=meshes,
        y=[step.lambda_ for step in steps],
        name="λ",
        mode="lines+markers",
        line={"color": BLUE, "width": 2},
        marker={"size": 9},
        hovertemplate="%{x}<br>λ %{y:.4f}<extra></extra>",
    )
    figure.add_scatter(
        x=meshes,
        y=[step.tc_k for step in steps],
        name="T<sub>c</sub>",
        mode="lines+markers",
        line={"color": ORANGE, "width": 2, "dash": "dash"},
        marker={"size": 9, "symbol": "square"},
        hovertemplate="%{x}<br>T<sub>c</sub> %{y:.4g} K<extra></extra>",
        secondary_y=True,
    )
    temperatures = [step.tc_k for step in steps if step.tc_k is not None]
    figure.update_xaxes(type="category")
    figure.update_yaxes(title_text="λ", range=[0.0, 1.15 * max(step.lambda_ for step in steps)], secondary_y=False)
    figure.update_yaxes(
        title_text="T<sub>c</sub> (K)",
        range=[0.0, 1.3 * max(temperatures)] if temperatures else None,
        showgrid=False,
        tickmode="auto",
        secondary_y=True,
    )
    figure.update_layout(template=TEMPLATE, height=380)
    return figure

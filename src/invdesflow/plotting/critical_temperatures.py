"""Tc against mu* by every method of an electron-phonon calculation."""

from collections.abc import Sequence

import plotly.graph_objects as go

from invdesflow.epw.documents import CriticalTemperature, Method
from invdesflow.plotting.style import BLUE, GREEN, GREY, INK, ORANGE, TEMPLATE

__all__ = ["METHOD_LABELS", "critical_temperature_figure"]

METHOD_LABELS: dict[Method, str] = {
    "mcmillan": "McMillan",
    "allen_dynes": "Allen-Dynes",
    "migdal_eliashberg": "Migdal-Eliashberg",
    "migdal_eliashberg_epw": "Migdal-Eliashberg, μ* at the cutoff",
    "anisotropic_epw": "anisotropic (EPW), μ* at the cutoff",
}
_MARKERS: dict[Method, tuple[str, str]] = {
    "mcmillan": (GREEN, "diamond-open"),
    "allen_dynes": (BLUE, "square-open"),
    "migdal_eliashberg": (INK, "circle"),
    "migdal_eliashberg_epw": (GREY, "circle-open"),
    "anisotropic_epw": (ORANGE, "star"),
}
_SIDE = 0.02  # in mu*


def critical_temperature_figure(critical_temperatures: Sequence[CriticalTemperature]) -> go.Figure:
    """Draw Tc in K against mu*, one line for each method.

    Parameters
    ----------
    critical_temperatures
        In any order; where a method has no answer, its line has a gap.
    """
    figure = go.Figure()
    for method, label in METHOD_LABELS.items():
        points = sorted((tc for tc in critical_temperatures if tc.method == method), key=lambda tc: tc.mu_star)
        if not any(tc.tc_k is not None for tc in points):
            continue
        colour, symbol = _MARKERS[method]
        figure.add_scatter(
            x=[tc.mu_star for tc in points],
            y=[tc.tc_k for tc in points],
            name=label,
            mode="lines+markers",
            line={"color": colour, "width": 1.5},
            marker={"color": colour, "symbol": symbol, "size": 9, "line": {"color": colour, "width": 2}},
            hovertemplate=f"μ* %{{x:.3g}}<br>{label} %{{y:.4g}} K<extra></extra>",
        )
    mu_stars = sorted({tc.mu_star for tc in critical_temperatures})
    figure.update_xaxes(title_text="μ*", range=[mu_stars[0] - _SIDE, mu_stars[-1] + _SIDE], tickvals=mu_stars)
    figure.update_yaxes(title_text="T<sub>c</sub> (K)", rangemode="tozero")
    figure.update_layout(template=TEMPLATE, height=420)
    return figure

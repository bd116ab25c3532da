"""The spectral function of a superconductor, and Tc against mu*."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from invdesflow.eliashberg.estimates import TcEstimates
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.plotting.style import BLUE, GREEN, GREY, INK, ORANGE, PALE_BLUE, TEMPLATE

__all__ = ["alpha2f_figure", "eliashberg_figure", "tc_figure"]

_SPECTRUM = "α²F"  # noqa: RUF001 - the Greek letter is meant
_FREQUENCY, _COUPLING = "phonon energy (meV)", "λ(ω)"
_METHODS = {
    "eliashberg_k": ("Eliashberg", INK, "solid"),
    "allen_dynes_k": ("Allen-Dynes", BLUE, "dash"),
    "mcmillan_k": ("McMillan", GREEN, "dot"),
    "sisso_k": ("SISSO", ORANGE, "dashdot"),
}


def alpha2f_figure(spectrum: Alpha2F) -> go.Figure:
    """Draw alpha2F as an area, the cumulative lambda on a second axis, and omega_log.

    Parameters
    ----------
    spectrum
        Spectral function.

    Returns
    -------
    plotly.graph_objects.Figure
        Two traces; the cumulative lambda belongs to the right axis.
    """
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    _add_spectrum(figure, spectrum, row=1, col=1)
    figure.update_layout(template=TEMPLATE, height=420, width=640, margin={"r": 70})
    return figure


def tc_figure(estimates: Sequence[TcEstimates]) -> go.Figure:
    """Draw Tc in K against mu* by every method.

    Parameters
    ----------
    estimates
        Critical temperatures in the order of mu*; where a method has no answer, its curve has a gap.
    """
    figure = make_subplots()
    _add_tc(figure, estimates, row=1, col=1)
    figure.update_layout(template=TEMPLATE, height=420, width=560)
    return figure


def eliashberg_figure(spectrum: Alpha2F, estimates: Sequence[TcEstimates]) -> go.Figure:
    """Draw `alpha2f_figure` and `tc_figure` side by side."""
    figure = make_subplots(rows=1, cols=2, specs=[[{"secondary_y": True}, {}]], horizontal_spacing=0.17)
    _add_spectrum(figure, spectrum, row=1, col=1)
    _add_tc(figure, estimates, row=1, col=2)
    figure.update_layout(template=TEMPLATE, height=440, width=1100)
    return figure


def _add_spectrum(figure: go.Figure, spectrum: Alpha2F, row: int, col: int) -> None:
    place = {"row": row, "col": col}
    figure.add_scatter(
        x=spectrum.energies_mev,
        y=spectrum.values,
        name=_SPECTRUM,
        fill="tozeroy",
        fillcolor=PALE_BLUE,
        line={"color": BLUE, "width": 1.5},
        hovertemplate=f"%{{x:.2f}} meV<br>{_SPECTRUM} %{{y:.3f}}<extra></extra>",
        **place,
        secondary_y=False,
    )
    figure.add_scatter(
        x=spectrum.energies_mev,
        y=spectrum.cumulative_lambda,
        name=_COUPLING,
        line={"color": ORANGE, "width": 2},
        hovertemplate="%{x:.2f} meV<br>λ of all phonons below %{y:.3f}<extra></extra>",
        **place,
        secondary_y=True,
    )
    figure.add_vline(x=spectrum.omega_log_mev, line={"color": GREY, "dash": "dot", "width": 1}, **place)
    figure.add_annotation(
        x=spectrum.omega_log_mev,
        y=1.0,
        yref="y domain",
        text="ω<sub>log</sub>",
        showarrow=False,
        xanchor="left",
        yanchor="top",
        font={"size": 12},
        **place,
    )
    end = 1.05 * spectrum.omega_max_mev
    figure.update_xaxes(title_text=_FREQUENCY, range=[0.0, end], **place)
    figure.update_yaxes(
        title_text=f"{_SPECTRUM}(ω)", range=[0.0, 1.1 * spectrum.values.max()], **place, secondary_y=False
    )
    figure.update_yaxes(
        title_text=_COUPLING,
        range=[0.0, 1.1 * spectrum.lambda_],
        showgrid=False,
        tickmode="auto",
        **place,
        secondary_y=True,
    )


def _add_tc(figure: go.Figure, estimates: Sequence[TcEstimates], row: int, col: int) -> None:
    place = {"row": row, "col": col}
    for field, (label, colour, dash) in _METHODS.items():
        figure.add_scatter(
            x=[estimate.mu_star for estimate in estimates],
            y=[getattr(estimate, field) for estimate in estimates],
            name=label,
            mode="lines",
            line={"color": colour, "dash": dash, "width": 2},
            hovertemplate=f"μ* %{{x:.3f}}<br>{label} %{{y:.4g}} K<extra></extra>",
            **place,
        )
    figure.update_xaxes(title_text="μ*", **place)
    figure.update_yaxes(title_text="T<sub>c</sub> (K)", rangemode="tozero", **place)

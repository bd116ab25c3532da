"""Phonons at Gamma of a host, and what becomes of each among guests."""

import plotly.graph_objects as go
from markupsafe import escape

from invdesflow.intercalation.documents import PhononChange
from invdesflow.intercalation.mode_matching import FollowedMode
from invdesflow.plotting.style import BLUE, GREY, INK, ORANGE, PALE_ORANGE, TEMPLATE, formula_html

__all__ = ["gamma_modes_figure"]

_HOST, _GUEST = (0.0, 0.36), (0.64, 1.0)


def gamma_modes_figure(change: PhononChange, host: str, guest: str) -> go.Figure:
    """Draw the optical phonons of the host at Gamma as levels, joined to the modes that they become.

    Parameters
    ----------
    change
        With at least one mode.
    host, guest
        Reduced formulas.

    Returns
    -------
    plotly.graph_objects.Figure
        Frequencies in THz, imaginary ones below zero. Levels that are mostly motions of the network are blue, the
        breathing mode is orange, the others grey; a line is the fainter, the less of the mode it holds.
    """
    element = str(escape(change.network_element))
    figure = go.Figure()
    drawn: set[str] = set()
    for mode in sorted(change.modes, key=lambda mode: mode == change.breathing):
        colour, name = _kind(mode, change, element)
        figure.add_scatter(
            x=[*_HOST, None, *_GUEST],
            y=[mode.host_thz] * 2 + [None] + [mode.guest_thz] * 2,
            name=name,
            legendgroup=name,
            showlegend=name not in drawn,
            mode="lines",
            line={"color": colour, "width": 3},
            hovertemplate=_hover(mode, element),
        )
        figure.add_scatter(
            x=[_HOST[1], _GUEST[0]],
            y=[mode.host_thz, mode.guest_thz],
            legendgroup=name,
            showlegend=False,
            mode="lines",
            line={"color": colour, "width": 1.5, "dash": "dot"},
            opacity=max(min(mode.overlap, 1.0), 0.1),
            hoverinfo="skip",
        )
        drawn.add(name)
    _label(figure, change)
    values = [value for mode in change.modes for value in (mode.host_thz, mode.guest_thz)]
    lowest, highest = min([*values, 0.0]), max(values)
    margin = 0.06 * (highest - lowest)
    if lowest < 0.0:
        figure.add_hrect(y0=lowest - margin, y1=0.0, fillcolor=PALE_ORANGE, opacity=0.35, line_width=0, layer="below")
    names = [str(formula_html(formula)) for formula in (host, guest)]
    figure.update_xaxes(
        range=[-0.12, 1.12], tickvals=[sum(_HOST) / 2, sum(_GUEST) / 2], ticktext=names, ticks="", showgrid=False
    )
    figure.update_xaxes(tickfont={"size": 14}, showline=False)
    figure.update_yaxes(
        title_text="frequency at Γ (THz)", range=[lowest - margin if lowest < 0 else 0, highest + margin]
    )
    figure.update_layout(template=TEMPLATE, height=460)
    return figure


def _kind(mode: FollowedMode, change: PhononChange, element: str) -> tuple[str, str]:
    if mode == change.breathing:
        return ORANGE, "breathing mode E<sub>g</sub>"
    if mode.network_weight > 0.5:
        return BLUE, f"mostly {element}"
    return GREY, "other atoms"


def _hover(mode: FollowedMode, element: str) -> str:
    softening = "" if mode.softening_percent is None else f", {-mode.softening_percent:+.1f} %"
    return (
        f"{escape(mode.label) or 'no label'}, {mode.degeneracy}-fold; {100 * mode.network_weight:.0f} % {element}<br>"
        f"{mode.host_thz:.2f} → {mode.guest_thz:.2f} THz{softening}<br>overlap {mode.overlap:.2f}<extra></extra>"
    )


def _label(figure: go.Figure, change: PhononChange) -> None:
    """Write the representations beside the levels of both, pushing apart what would overlap."""
    span = max(abs(mode.host_thz - other.host_thz) for mode in change.modes for other in change.modes) or 1.0
    for at, side, value in ((_HOST[0], "right", "host_thz"), (_GUEST[1], "left", "guest_thz")):
        last = float("-inf")
        for mode in sorted(change.modes, key=lambda mode: float(getattr(mode, value))):
            label = mode.label if value == "host_thz" else "/".join(mode.guest_labels)
            place = max(getattr(mode, value), last + 0.055 * span)
            last = place
            figure.add_annotation(
                x=at,
                y=place,
                text=_subscripted(label),
                showarrow=False,
                xanchor=side,
                xshift=-4 if side == "right" else 4,
                font={"size": 11, "color": ORANGE if mode == change.breathing else INK},
            )


def _subscripted(label: str) -> str:
    """Set a Mulliken symbol: ``T1u`` with ``1u`` as a subscript."""
    parts = [str(escape(part)) for part in label.split("/") if part]
    return "/".join(f"{part[0]}<sub>{part[1:]}</sub>" if len(part) > 1 else part for part in parts)

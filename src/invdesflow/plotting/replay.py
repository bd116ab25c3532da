"""What each acquisition strategy found against the calculations that it spent."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from invdesflow.learning.replay import ReplayResult
from invdesflow.learning.replay_study import CONTROL, ReplayStudy
from invdesflow.plotting.style import BLUE, GREEN, GREY, INK, ORANGE, TEMPLATE

__all__ = ["replay_figure"]

_COLOURS = (BLUE, ORANGE, GREEN, "#8a4f9e", "#b3323c", "#3a9aa3", "#8c6d31")
_DASHES = ("solid", "dash", "dot")


def replay_figure(study: ReplayStudy, share: float = 0.5) -> go.Figure:
    """Draw the crystals found against the calculations spent.

    Parameters
    ----------
    study
        Replays of the strategies.
    share
        Of the positives, marked by a line.

    Returns
    -------
    plotly.graph_objects.Figure
        For every strategy the median over the seeds, and a band from the lowest to the highest seed. The axis ends at
        the budget of the strategies.
    """
    figure = go.Figure()
    last = study.settings.budget or study.crystals
    for number, (name, results) in enumerate(study.results.items()):
        colour = GREY if name == CONTROL else _COLOURS[number % len(_COLOURS)]
        _add_strategy(figure, name, results, colour, _DASHES[number // len(_COLOURS) % len(_DASHES)])
    figure.add_hline(
        y=share * study.positives,
        line={"color": INK, "width": 1, "dash": "dot"},
        annotation={"text": f"{share:.0%} of {study.positives}", "font": {"size": 11}},
        annotation_position="top left",
    )
    figure.update_xaxes(title_text="calculations", range=[0, last])
    figure.update_yaxes(
        title_text=f"found with T<sub>c</sub> above {study.settings.threshold_k:g} K", range=[0, study.positives]
    )
    figure.update_layout(template=TEMPLATE, height=560, margin={"t": 110})
    return figure


def _add_strategy(figure: go.Figure, name: str, results: Sequence[ReplayResult], colour: str, dash: str) -> None:
    """Add the band and the median of one strategy; all seeds have the same rounds."""
    spent, found = results[0].calculations, np.array([result.found for result in results])
    figure.add_scatter(
        x=np.concatenate([spent, spent[::-1]]),
        y=np.concatenate([found.max(axis=0), found.min(axis=0)[::-1]]),
        fill="toself",
        fillcolor=colour,
        opacity=0.08,
        line={"width": 0},
        hoverinfo="skip",
        legendgroup=name,
        showlegend=False,
    )
    median: NDArray[np.float64] = np.median(found, axis=0)
    figure.add_scatter(
        x=spent,
        y=median,
        name=name,
        legendgroup=name,
        mode="lines",
        line={"color": colour, "width": 2.5, "dash": dash},
        hovertemplate=f"{name}<br>%{{x}} calculations: %{{y:.4g}} found<extra></extra>",
    )

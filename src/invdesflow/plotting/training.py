"""How a training went."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from invdesflow.plotting.style import BLUE, ORANGE, TEMPLATE

__all__ = ["read_metrics", "training_figure"]


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read the metrics of a training, one row an epoch."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def training_figure(rows: Sequence[Mapping[str, float]], parts: Mapping[str, str]) -> go.Figure:
    """Plot losses against epochs, training beside validation.

    Parameters
    ----------
    rows
        Metrics of the epochs with ``epoch``, ``train_*`` and ``validation_*``.
    parts
        Part of the loss, as it ends the names of the metrics, -> title of its panel.
    """
    figure = make_subplots(rows=1, cols=len(parts), subplot_titles=list(parts.values()))
    epochs = [row["epoch"] for row in rows]
    for column, part in enumerate(parts, start=1):
        for name, colour in (("train", BLUE), ("validation", ORANGE)):
            figure.add_scatter(
                x=epochs,
                y=[row[f"{name}_{part}"] for row in rows],
                name="held out" if name == "validation" else "learned from",
                mode="lines+markers",
                line={"color": colour},
                marker={"size": 5},
                showlegend=column == 1,
                row=1,
                col=column,
            )
    figure.update_xaxes(title_text="epoch")
    figure.update_layout(template=TEMPLATE, width=360 * len(parts), height=380, margin={"t": 70})
    figure.update_layout(legend={"y": 1.12})
    return figure

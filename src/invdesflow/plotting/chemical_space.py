"""Where in the periodic table and among the space groups the candidates are."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from pymatgen.core import Element

from invdesflow.database.summary import SummaryDocument
from invdesflow.plotting.ranking import passed_screening
from invdesflow.plotting.style import BLUE, GREY, INK, PALE_BLUE, TEMPLATE, space_group_html

__all__ = ["element_shares", "periodic_table_figure", "space_group_figure"]

_HEAVIEST = 103
_SHADES = [[0.0, "#eef3f8"], [0.25, "#b9cfe2"], [0.6, "#6f9cc3"], [1.0, "#1f4e79"]]


def element_shares(summaries: Sequence[SummaryDocument]) -> dict[str, float]:
    """Return the share of candidates that contain each element; the shares of all elements add up to more than 1.

    Parameters
    ----------
    summaries
        At least one candidate.
    """
    counts = Counter(symbol for summary in summaries for symbol in set(summary.elements))
    return {symbol: count / len(summaries) for symbol, count in counts.items()}


def periodic_table_figure(summaries: Sequence[SummaryDocument], full_scale: float | None = None) -> go.Figure:
    """Draw the periodic table with the share of candidates that contain each element, in percent.

    Parameters
    ----------
    summaries
        At least one candidate.
    full_scale
        Share in percent of the darkest colour, to compare two tables; by default the largest share of this one.
    """
    shares = element_shares(summaries)
    elements = [Element.from_Z(z) for z in range(1, _HEAVIEST + 1)]
    percent = [100 * shares.get(element.symbol, 0.0) for element in elements]
    darkest = full_scale or max(percent)
    places = [_place(element) for element in elements]
    heatmap = go.Heatmap(
        x=[column for column, _ in places],
        y=[row for _, row in places],
        z=[value or None for value in percent],
        customdata=[element.long_name for element in elements],
        hovertemplate="%{customdata}: in %{z:.1f} % of the candidates<extra></extra>",
        hoverongaps=False,
        colorscale=_SHADES,
        zmin=0,
        zmax=darkest,
        xgap=2,
        ygap=2,
        showscale=False,
    )
    annotations = [
        _cell(element, place, value, value > 0.5 * darkest)
        for element, place, value in zip(elements, places, percent, strict=True)
    ]
    margin = {"l": 5, "r": 5, "t": 5, "b": 5}
    figure = go.Figure(
        heatmap, layout={"template": TEMPLATE, "height": 360, "margin": margin, "annotations": annotations}
    )
    figure.update_xaxes(visible=False, range=[0.4, 18.6])
    figure.update_yaxes(visible=False, range=[9.6, 0.4])
    return figure


def _cell(element: Element, place: tuple[int, int], percent: float, dark: bool) -> dict[str, Any]:
    """Write symbol and share into a cell of the table; the symbol alone where no candidate has the element."""
    colour = GREY if not percent else "white" if dark else INK
    text = f"<b>{element.symbol}</b><br>{percent:.0f}" if percent else element.symbol
    return {"x": place[0], "y": place[1], "text": text, "showarrow": False, "font": {"size": 10, "color": colour}}


def space_group_figure(summaries: Sequence[SummaryDocument], most: int = 20) -> go.Figure:
    """Draw how many candidates have each space group, those that passed every gate apart.

    Parameters
    ----------
    summaries
        At least one candidate.
    most
        Number of space groups shown, the most frequent first.
    """
    everybody = Counter(_space_group(summary) for summary in summaries)
    winners = Counter(_space_group(summary) for summary in summaries if passed_screening(summary))
    shown = [group for group, _ in sorted(everybody.items(), key=lambda item: (-item[1], item[0]))[:most]]
    labels = [str(space_group_html(symbol, number)) for number, symbol in shown]
    figure = go.Figure(
        [
            go.Bar(x=labels, y=[winners[group] for group in shown], name="passed every gate", marker_color=BLUE),
            go.Bar(
                x=labels,
                y=[everybody[group] - winners[group] for group in shown],
                name="rejected, or not yet screened",
                marker_color=PALE_BLUE,
            ),
        ],
        layout={
            "template": TEMPLATE,
            "height": 360,
            "legend": {"x": 1, "xanchor": "right"},
            "barmode": "stack",
            "bargap": 0.35,
        },
    )
    figure.update_xaxes(title_text="space group (number)", type="category", showgrid=False)
    figure.update_yaxes(title_text="number of candidates", rangemode="tozero", tickformat="d")
    return figure


def _space_group(summary: SummaryDocument) -> tuple[int, str]:
    return summary.space_group_number, summary.space_group_symbol


def _place(element: Element) -> tuple[int, int]:
    """Return column and row of an element, the f block below the table."""
    if element.is_lanthanoid:
        return element.Z - 54, 8
    if element.is_actinoid:
        return element.Z - 86, 9
    return element.group, element.row

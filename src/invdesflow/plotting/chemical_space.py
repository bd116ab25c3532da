"""Where in the periodic table and among the space groups the candidates are."""

from collections import Counter
from collections.abc import Sequence

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


def periodic_table_figure(summaries: Sequence[SummaryDocument]) -> go.Figure:
    """Draw the periodic table with the share of candidates that contain each element, in percent.

    Parameters
    ----------
    summaries
        At least one candidate.
    """
    shares = element_shares(summaries)
    elements = [Element.from_Z(z) for z in range(1, _HEAVIEST + 1)]
    places = [_place(element) for element in elements]
    percent = [100 * shares.get(element.symbol, 0.0) for element in elements]
    largest = max(percent)
    figure = go.Figure(
        go.Heatmap(
            x=[column for column, _ in places],
            y=[row for _, row in places],
            z=[value or None for value in percent],
            text=[element.symbol for element in elements],
            customdata=[element.long_name for element in elements],
            hovertemplate="%{customdata}: in %{z:.1f} % of them<extra></extra>",
            hoverongaps=False,
            colorscale=_SHADES,
            zmin=0,
            zmax=largest,
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": "share (%)", "side": "right"}, "thickness": 10, "len": 0.9},
        ),
        layout={"template": TEMPLATE, "height": 330, "margin": {"l": 5, "r": 5, "t": 5, "b": 5}},
    )
    for element, (column, row), value in zip(elements, places, percent, strict=True):
        dark = value > 0.5 * largest
        figure.add_annotation(
            x=column,
            y=row,
            showarrow=False,
            text=f"<b>{element.symbol}</b><br>{value:.0f}" if value else element.symbol,
            font={"size": 9 if value else 10, "color": "white" if dark else INK if value else GREY},
        )
    figure.update_xaxes(visible=False, range=[0.4, 18.6])
    figure.update_yaxes(visible=False, range=[9.7, 0.4])
    return figure


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
        layout={"template": TEMPLATE, "height": 360, "barmode": "stack", "bargap": 0.35},
    )
    figure.update_xaxes(title_text="space group (number)", type="category", showgrid=False)
    figure.update_yaxes(title_text="number of candidates", rangemode="tozero", tickformat="d")
    return figure


def _space_group(summary: SummaryDocument) -> tuple[int, str]:
    return summary.space_group_number, summary.space_group_symbol


def _place(element: Element) -> tuple[float, float]:
    """Return column and row of an element, the f block below the table."""
    if element.is_lanthanoid:
        return element.Z - 54, 8.2
    if element.is_actinoid:
        return element.Z - 86, 9.2
    return element.group, element.row

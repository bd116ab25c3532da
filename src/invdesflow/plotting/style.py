"""The look that all figures share, and how names from documents become inert figure text."""

import plotly.graph_objects as go
from markupsafe import Markup, escape
from pymatgen.util.string import htmlify, unicodeify_spacegroup

__all__ = [
    "BLUE",
    "FONT",
    "GREEN",
    "GREY",
    "INK",
    "ORANGE",
    "PALE_BLUE",
    "PALE_ORANGE",
    "TEMPLATE",
    "formula_html",
    "space_group_html",
]

INK, BLUE, PALE_BLUE, GREEN, ORANGE, GREY = "#1f2933", "#2b6394", "#b9cfe2", "#3f7f52", "#c8751a", "#9aa5b1"
PALE_ORANGE = "#f5dcc0"
FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"

_AXIS = {
    "showline": True,
    "linecolor": GREY,
    "ticks": "outside",
    "tickcolor": GREY,
    "gridcolor": "#e8ecf0",
    "zeroline": False,
    "automargin": True,
    "title": {"standoff": 12, "font": {"size": 13}},
}

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "colorway": [BLUE, ORANGE, GREEN, GREY],
        "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hoverlabel": {
            "bgcolor": "white",
            "bordercolor": GREY,
            "font": {"family": FONT, "color": INK},
            "align": "left",
        },
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
)


def formula_html(formula: str) -> Markup:
    """Set a formula with subscripts; anything in it that is markup becomes text."""
    return Markup(htmlify(str(escape(formula))))  # noqa: S704 - escaped before the subscripts are added


def space_group_html(symbol: str, number: int) -> Markup:
    """Set a Hermann-Mauguin symbol with its overlines and screw axes, and the number behind it."""
    return escape(f"{unicodeify_spacegroup(symbol)} ({number})")

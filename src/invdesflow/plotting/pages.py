"""HTML pages that need neither network nor database: figures, styles and scripts are inside."""

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from invdesflow.plotting.facts import duration
from invdesflow.plotting.style import formula_html, space_group_html

__all__ = ["render_page"]


def render_page(template: str, figures: Mapping[str, go.Figure], **values: Any) -> str:
    """Fill a template.

    Parameters
    ----------
    template
        Name of a file in ``templates`` that extends ``page.html.j2``.
    figures
        Name -> figure; the macro ``figure`` of ``macros.html.j2`` places it.
    **values
        What the template shows.

    Returns
    -------
    str
        HTML with plotly.js inside. Its content security policy admits the two scripts of the page and nothing else, so
        that a name from a document cannot run, and nothing is ever loaded from elsewhere.
    """
    scripts = {"plotly_js": get_plotlyjs(), "page_js": _template_file("page.js")}
    return (
        _environment()
        .get_template(template)
        .render(
            figures={name: Markup(figure.to_json()) for name, figure in figures.items()},  # noqa: S704 - plotly escapes <>/
            style=Markup(_template_file("page.css")),  # noqa: S704 - our own file
            script_hashes=" ".join(_script_hash(script) for script in scripts.values()),
            **{name: Markup(script) for name, script in scripts.items()},  # noqa: S704 - plotly's file and ours
            **values,
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("invdesflow.plotting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"formula": formula_html, "duration": duration}
    environment.globals["space_group"] = space_group_html
    return environment


def _template_file(name: str) -> str:
    return resources.files("invdesflow.plotting").joinpath("templates", name).read_text()


def _script_hash(script: str) -> str:
    """Return what a content security policy calls a script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"

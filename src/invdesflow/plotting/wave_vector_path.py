"""The axis of bands: a path through reciprocal space with its special points and jumps."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import plotly.graph_objects as go
from markupsafe import escape
from numpy.typing import NDArray

from invdesflow.plotting.style import GREY

__all__ = ["WaveVectorPath", "special_point_html"]

_GREEK = {"GAMMA": "Γ", "DELTA": "Δ", "LAMBDA": "Λ", "SIGMA": "Σ"}  # those of Hinuma et al.


@dataclass(frozen=True, slots=True, eq=False)
class WaveVectorPath:
    """Points along lines, of which some are not joined to the next one.

    Attributes
    ----------
    distances
        Length of the path up to each point, 1/Angstrom; shape (n,). It stands still where the path jumps.
    ticks
        Distance -> HTML of the special points there, such as ``U|K`` at a jump.
    """

    distances: NDArray[np.float64]
    ticks: Mapping[float, str]

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], kind: str) -> Self:
        """Take the path of an electron-phonon calculation.

        Parameters
        ----------
        arrays
            Those of `invdesflow.epw.result_arrays`.
        kind
            ``electron`` or ``phonon``.
        """
        distances = np.asarray(arrays[f"{kind}_distances"], dtype=float)
        points: dict[float, list[str]] = {}
        for label, index in zip(arrays["path_labels"], arrays["path_label_indices"], strict=True):
            names = points.setdefault(float(distances[index]), [])
            if (name := special_point_html(str(label))) not in names:
                names.append(name)
        return cls(distances, {distance: "|".join(names) for distance, names in points.items()})

    @property
    def jumps(self) -> NDArray[np.int_]:
        """Indices of the points that are not joined to the one before; shape (jumps,)."""
        return np.flatnonzero(np.diff(self.distances) == 0.0) + 1

    def lines(self, bands: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Join all bands to one line with gaps: at every jump, and between two bands.

        Parameters
        ----------
        bands
            Values at the points; shape (n, bands).

        Returns
        -------
        tuple of ndarray
            Distances and values, NaN in the gaps.
        """
        breaks = np.append(self.jumps, len(self.distances))
        values = np.insert(np.asarray(bands, dtype=float), breaks, np.nan, axis=0)
        along = np.insert(self.distances, breaks, np.nan)
        return np.tile(along, values.shape[1]), values.T.ravel()

    def label(self, figure: go.Figure, row: int, col: int) -> None:
        """Write the special points at the horizontal axis of a subplot, with a line at each."""
        figure.update_xaxes(
            range=[self.distances[0], self.distances[-1]],
            tickvals=list(self.ticks),
            ticktext=list(self.ticks.values()),
            ticks="",
            tickangle=0,
            gridcolor=GREY,
            row=row,
            col=col,
        )


def special_point_html(label: str) -> str:
    """Set the name of a special point: ``GAMMA`` as a Greek letter, what follows an underscore as a subscript."""
    name, _, index = str(escape(label)).partition("_")
    name = re.sub("|".join(_GREEK), lambda match: _GREEK[match[0]], name)
    return f"{name}<sub>{index}</sub>" if index else name
